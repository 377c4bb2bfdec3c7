"""What a guest does while it is snapshotted, and what it then knows about itself: the load of restore-soak.ts.

Writes blocks of a file and pages of memory, and remembers a checksum of each; has two kinds of timers fire. Each line on
standard input is a question, `clocks` or `all`; each is answered by a line of JSON.
"""

import errno
import json
import os
import random
import re
import signal
import sys
import threading
import time
import zlib

clocks = (time.CLOCK_MONOTONIC, time.CLOCK_MONOTONIC_RAW, time.CLOCK_BOOTTIME)
tick = 0.05
seen = {"ticks": 0, "alarms": 0, "backwards": 0, "early": 0}


class Blocks:
    """Equal parts of a place, each with content of its own, whose checksums are known."""

    def __init__(self, count, size, place):
        self.size, self.place = size, place
        self.lock = threading.Lock()
        self.sums = [None] * count
        self.writes = 0
        for index in range(count):
            self.write(index)

    def write(self, index):
        self.writes += 1
        content = random.randbytes(64) * (self.size // 64)
        with self.lock:
            self.place.put(index * self.size, content)
            self.sums[index] = zlib.crc32(content)

    def broken(self):
        with self.lock:
            self.place.settle()
            read = (zlib.crc32(self.place.get(at * self.size, self.size)) for at in range(len(self.sums)))
            return [index for index, (now, then) in enumerate(zip(read, self.sums)) if now != then]

    def churn(self, pause):
        while True:
            self.write(random.randrange(len(self.sums)))
            time.sleep(pause)


class Memory:
    def __init__(self, size):
        self.bytes = bytearray(size)

    def put(self, offset, content):
        self.bytes[offset : offset + len(content)] = content

    def get(self, offset, size):
        return memoryview(self.bytes)[offset : offset + size]

    def settle(self):
        pass


class Disk:
    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)
        self.puts = 0

    def put(self, offset, content):
        os.pwrite(self.file, content, offset)
        self.puts += 1
        if self.puts % 8 == 0:
            os.fdatasync(self.file)

    def get(self, offset, size):
        return os.pread(self.file, size, offset)

    def settle(self):
        """So that what is read is what the disk has."""
        os.fdatasync(self.file)
        os.posix_fadvise(self.file, 0, 0, os.POSIX_FADV_DONTNEED)


def watch_clocks():
    last = [time.clock_gettime(clock) for clock in clocks]
    while True:
        time.sleep(tick)
        now = [time.clock_gettime(clock) for clock in clocks]
        seen["ticks"] += 1
        seen["backwards"] += sum(here < before for here, before in zip(now, last))
        seen["early"] += now[0] - last[0] < tick
        last = now


def alarm(*_):
    seen["alarms"] += 1


class KernelLog:
    """Lines since it was last asked that tell of something wrong."""

    wrong = re.compile(r"BUG|WARNING|Oops|Call Trace|blocked for more|lockup|stall|EXT4-fs (error|warning)|I/O error")

    def __init__(self):
        self.file = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)

    def trouble(self):
        found = []
        while True:
            try:
                head, _, text = os.read(self.file, 8192).decode(errors="replace").partition(";")
            except OSError as error:
                if error.errno == errno.EPIPE:
                    continue  # overwritten before it was read
                return found
            if int(head.split(",")[0]) & 7 <= 3 or self.wrong.search(text):
                found.append(text.split("\n")[0])


def start(work, *args):
    threading.Thread(target=work, args=args, daemon=True).start()


memory = Blocks(256, 4096, Memory(256 * 4096))
disk = Blocks(32, 32768, Disk("/root/soak"))
log = KernelLog()
at_boot = log.trouble()
signal.signal(signal.SIGALRM, alarm)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
start(watch_clocks)
start(memory.churn, 0.02)
start(disk.churn, 0.04)

for question in sys.stdin:
    answer = {"wall": time.time(), "monotonic": time.monotonic(), "writes": disk.writes + memory.writes, **seen}
    if question == "all\n":
        with open("/sys/fs/ext4/vda/errors_count") as errors:
            answer["ext4Errors"] = int(errors.read())
        answer["brokenDisk"], answer["brokenMemory"] = disk.broken(), memory.broken()
        answer["kernel"] = log.trouble()
    print(json.dumps(answer), flush=True)
