# Made from ../_async by make_sync.py. Not edited.
"""Standard input of a process. Pieces are numbered, so that none is written twice however the connection fares."""

from __future__ import annotations

from collections.abc import Iterable

from .._gen.daytonah.v1 import process_pb
from .._pieces import PIECE_BYTES, pieces_of
from .._selector import selector_of
from .data_plane import DataPlane


class ProcessInput:
    def __init__(self, plane: DataPlane, process_id: str) -> None:
        self._plane = plane
        self._selector = selector_of(process_id)
        self._offset: int | None = None

    def on_started(self, existed: bool) -> None:
        """Nobody can have written before to a process that was just started."""
        if not existed and self._offset is None:
            self._offset = 0

    def write(self, data: str | bytes) -> None:
        """Writes text (as UTF-8) or bytes; returns when the sandbox has taken them.

        Raises a ConflictError (INPUT_CLOSED) after `close` or where the process has no open standard input.
        """
        view = memoryview(data.encode() if isinstance(data, str) else data)
        while len(view) > 0:
            start = self._position()
            # The sandbox may take less than it was given; it says where to go on.
            self._send(bytes(view[:PIECE_BYTES]), close=False)
            view = view[self._position() - start :]

    def close(self) -> None:
        """Closes standard input; on a terminal: sends end-of-file."""
        self._position()
        self._send(b"", close=True)

    def feed(self, source: str | bytes | Iterable[str | bytes]) -> None:
        """Writes a whole source, a piece of up to 1 MiB at a time, then closes."""
        for data, _, _ in pieces_of(source):
            self.write(data)
        self.close()

    def _position(self) -> int:
        """An empty piece at 0 is a repeat that changes nothing; its answer tells how far others have written."""
        if self._offset is None:
            self._offset = 0
            self._send(b"", close=False)
        return self._offset

    def _send(self, data: bytes, *, close: bool) -> None:
        request = process_pb.SendInputRequest(
            process=self._selector, offset=self._offset or 0, data=data, close=close
        )
        answer = self._plane.unary(lambda route: route.processes.send_input, request, repeatable=True)
        self._offset = answer.next_offset
