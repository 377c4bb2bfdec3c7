"""Standard input of a process. Pieces are numbered, so that none is written twice however the connection fares."""

from __future__ import annotations

from .._waits import AsyncLock
from ..file_models import AsyncByteSource
from .pieces import pieces_of
from .process_calls import AsyncProcessCalls

_PIECE_BYTES = 1024 * 1024


class AsyncProcessInput:
    """Standard input of a process that was started with `stdin=True`. What several tasks write comes one after the other."""

    def __init__(self, calls: AsyncProcessCalls) -> None:
        self._calls = calls
        self._offset: int | None = None
        self._lock = AsyncLock()

    async def write(self, data: str | bytes) -> None:
        """Writes text (as UTF-8) or bytes; returns when the sandbox has taken them.

        Raises a ConflictError (INPUT_CLOSED) after `close` or where the process has no open standard input.
        """
        view = memoryview(data.encode() if isinstance(data, str) else data)
        async with self._lock:
            while len(view) > 0:
                start = await self._position()
                # The sandbox may take less than it was given; it says where to go on.
                self._offset = await self._calls.send_input(start, bytes(view[:_PIECE_BYTES]), False)
                view = view[self._offset - start :]

    async def close(self) -> None:
        """Closes standard input; on a terminal: sends end-of-file."""
        async with self._lock:
            self._offset = await self._calls.send_input(await self._position(), b"", True)

    async def feed(self, source: AsyncByteSource) -> None:
        """Writes a whole source, a piece of up to 1 MiB at a time, then closes."""
        async for piece in pieces_of(source, _PIECE_BYTES):
            await self.write(piece.data)
        await self.close()

    def _on_started(self, existed: bool) -> None:
        """Nobody can have written before to a process that was just started."""
        if not existed and self._offset is None:
            self._offset = 0

    async def _position(self) -> int:
        """An empty piece at 0 is a repeat that changes nothing; its answer tells how far others have written."""
        if self._offset is None:
            self._offset = await self._calls.send_input(0, b"", False)
        return self._offset
