# Made from ../_async by make_sync.py. Not edited.
"""A terminal in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from ..process_models import ProcessExit
from .process import Process


class Pty:
    """A program on a terminal. Iterate it for the bytes it shows, `write` what is typed. Several can be attached to one, also
    from different machines: each sees everything. A broken connection is mended behind your back.

    The program outlives the connection: `sandbox.attach_pty(pty.id, from_offset=pty.offset)` goes on where reading stopped.

    ```python
    with sandbox.pty(columns=120, rows=40) as pty:
        pty.write("ls\\n")
        for data in pty:
            sys.stdout.buffer.write(data)
    ```
    """

    def __init__(self, process: Process) -> None:
        """Use `sandbox.pty` or `sandbox.attach_pty`."""
        self._process = process

    @property
    def id(self) -> str:
        """Name of the process, for `sandbox.attach_pty(id)`."""
        return self._process.id

    @property
    def pid(self) -> int:
        """pid in the sandbox."""
        return self._process.pid

    @property
    def offset(self) -> int:
        """Offset after the last byte that was read here, for `attach_pty(id, from_offset=offset)`."""
        return self._process.offset

    @property
    def lost_bytes(self) -> int:
        """Bytes that the sandbox no longer had when they were asked for: the picture may be wrong until it is drawn anew."""
        return self._process.lost_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __iter__(self) -> Iterator[bytes]:
        for event in self._process:
            if event.data:
                yield event.data

    def write(self, data: str | bytes) -> None:
        """Types: text (as UTF-8) or bytes, "\\x03" for Ctrl-C. Returns when the sandbox has taken them.

        Raises a NotFoundError (PROCESS_NOT_FOUND) or ConflictError (INPUT_CLOSED) after the end.
        """
        self._process.stdin.write(data)

    def resize(self, columns: int, rows: int) -> None:
        """Tells the program its window's new size, each 1 to 1,000."""
        self._process.resize(columns, rows)

    def wait(self) -> ProcessExit:
        """Reads to the end, without keeping what it reads; how the program ended."""
        return self._process.wait()

    def kill(self, signal: str | int = "SIGHUP") -> None:
        """Sends a signal to the program and its children; SIGHUP is what a terminal that is closed sends."""
        self._process.kill(signal)

    def detach(self) -> None:
        """Stops reading; the program runs on. Reading may go on later."""
        self._process.detach()
