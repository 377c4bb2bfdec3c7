"""Runs a program on a terminal of its own: in_terminal.py COLUMNS ROWS PROGRAM ARGUMENTS...

What the terminal shows goes to standard output; standard input takes a JSON document a line: {"type": text},
{"resize": [columns, rows]}, or {"raw": null}, which prints `<raw>` or `<cooked>`: the terminal's mode. Ends as the program does.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios

columns, rows, *argv = sys.argv[1:]


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))


def obey(fd, order):
    if "type" in order:
        os.write(fd, order["type"].encode())
    elif "resize" in order:
        resize(fd, *order["resize"])
    else:
        cooked = termios.tcgetattr(fd)[3] & termios.ICANON
        os.write(1, b"<cooked>" if cooked else b"<raw>")


pid, terminal = pty.fork()
if pid == 0:
    resize(0, columns, rows)
    os.execvp(argv[0], argv)
pending = b""
sources = [terminal, 0]
while terminal in sources:
    for source in select.select(sources, [], [])[0]:
        try:
            data = os.read(source, 65536)
        except OSError:  # EIO: the program has closed its terminal
            data = b""
        if not data:
            sources.remove(source)
        elif source == terminal:
            os.write(1, data)
        else:
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                obey(terminal, json.loads(line))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
