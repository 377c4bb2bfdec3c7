"""A terminal in a sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from .._gen.daytonah.v1 import process_pb
from .._selector import selector_of
from .data_plane import AsyncDataPlane
from .process import AsyncProcess


class AsyncPty:
    """A program on a terminal. Iterate it for the bytes it shows, `write` what is typed.

    The program outlives the connection: `sandbox.attach_pty(pty.id)` shows the last of its output again and goes on.

    ```python
    async with await sandbox.pty(columns=120, rows=40) as pty:
        await pty.write("ls\\n")
        async for data in pty:
            sys.stdout.buffer.write(data)
    ```
    """

    def __init__(self, plane: AsyncDataPlane, process: AsyncProcess) -> None:
        self.process = process
        """The program: its `pid`, `wait`, `send_signal`."""
        self._plane = plane

    @property
    def id(self) -> str:
        """Its name in the sandbox."""
        return self.process.id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.process.detach()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in self.process:
            if event.data:
                yield event.data

    async def write(self, data: str | bytes) -> None:
        """Types."""
        await self.process.stdin.write(data)

    async def resize(self, columns: int, rows: int) -> None:
        """Tells the program its window's new size, each 1 to 1000."""
        request = process_pb.ResizePtyRequest(
            process=selector_of(self.id), size=process_pb.PtySize(columns=columns, rows=rows)
        )
        await self._plane.unary(lambda route: route.processes.resize_pty, request, repeatable=True)

    async def wait(self) -> int:
        """Reads to the end; the exit code."""
        return (await self.process.wait()).exit_code

    async def kill(self) -> None:
        """Ends it with SIGKILL."""
        await self.process.kill()

    async def detach(self) -> None:
        """Stops reading; the program runs on."""
        await self.process.detach()
