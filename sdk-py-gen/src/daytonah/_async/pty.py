"""A terminal in a sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from ..process_models import ProcessExit
from .process import AsyncProcess


class AsyncPty:
    """A program on a terminal. Iterate it for the bytes it shows, `write` what is typed. Several can be attached to one, also
    from different machines: each sees everything. A broken connection is mended behind your back.

    The program outlives the connection: `sandbox.attach_pty(pty.id, from_offset=pty.offset)` goes on where reading stopped.

    ```python
    async with await sandbox.pty(columns=120, rows=40) as pty:
        await pty.write("ls\\n")
        async for data in pty:
            sys.stdout.buffer.write(data)
    ```
    """

    def __init__(self, process: AsyncProcess) -> None:
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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.detach()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in self._process:
            if event.data:
                yield event.data

    async def write(self, data: str | bytes) -> None:
        """Types: text (as UTF-8) or bytes, "\\x03" for Ctrl-C. Returns when the sandbox has taken them.

        Raises a NotFoundError (PROCESS_NOT_FOUND) or ConflictError (INPUT_CLOSED) after the end.
        """
        await self._process.stdin.write(data)

    async def resize(self, columns: int, rows: int) -> None:
        """Tells the program its window's new size, each 1 to 1,000."""
        await self._process.resize(columns, rows)

    async def wait(self) -> ProcessExit:
        """Reads to the end, without keeping what it reads; how the program ended."""
        return await self._process.wait()

    async def kill(self, signal: str | int = "SIGHUP") -> None:
        """Sends a signal to the program and its children; SIGHUP is what a terminal that is closed sends."""
        await self._process.kill(signal)

    async def detach(self) -> None:
        """Stops reading; the program runs on. Reading may go on later."""
        await self._process.detach()
