# Made from ../_async by make_sync.py. Not edited.
"""A terminal in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from .._gen.daytonah.v1 import process_pb
from .._selector import selector_of
from .data_plane import DataPlane
from .process import Process


class Pty:
    """A program on a terminal. Iterate it for the bytes it shows, `write` what is typed.

    The program outlives the connection: `sandbox.attach_pty(pty.id)` shows the last of its output again and goes on.

    ```python
    with sandbox.pty(columns=120, rows=40) as pty:
        pty.write("ls\\n")
        for data in pty:
            sys.stdout.buffer.write(data)
    ```
    """

    def __init__(self, plane: DataPlane, process: Process) -> None:
        self.process = process
        """The program: its `pid`, `wait`, `send_signal`."""
        self._plane = plane

    @property
    def id(self) -> str:
        """Its name in the sandbox."""
        return self.process.id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.detach()

    def __iter__(self) -> Iterator[bytes]:
        for event in self.process:
            if event.data:
                yield event.data

    def write(self, data: str | bytes) -> None:
        """Types."""
        self.process.stdin.write(data)

    def resize(self, columns: int, rows: int) -> None:
        """Tells the program its window's new size, each 1 to 1000."""
        request = process_pb.ResizePtyRequest(
            process=selector_of(self.id), size=process_pb.PtySize(columns=columns, rows=rows)
        )
        self._plane.unary(lambda route: route.processes.resize_pty, request, repeatable=True)

    def wait(self) -> int:
        """Reads to the end; the exit code."""
        return (self.process.wait()).exit_code

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        self.process.kill()

    def detach(self) -> None:
        """Stops reading; the program runs on."""
        self.process.detach()
