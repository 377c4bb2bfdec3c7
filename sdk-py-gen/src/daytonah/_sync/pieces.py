# Made from ../_async by make_sync.py. Not edited.
"""Sources of bytes, as they come and cut into pieces of one size."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import IO, cast

from .._waits import sync_read
from ..file_models import ByteSource

_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Piece:
    data: bytes
    offset: int
    """Position of its first byte."""
    last: bool
    """No other follows."""


def chunks_of(source: ByteSource) -> Generator[bytes, None]:
    """The source's bytes as they come; of a file, a part at a time."""
    if isinstance(source, (str, bytes)):
        yield _bytes_of(source)
    elif hasattr(source, "read"):
        while chunk := sync_read(cast(IO[bytes], source), _READ_BYTES):
            yield _bytes_of(chunk)
    elif isinstance(source, Iterable):
        for chunk in source:
            yield _bytes_of(chunk)
    else:
        for chunk in source:
            yield _bytes_of(chunk)


def pieces_of(source: ByteSource, size: int) -> Generator[Piece, None]:
    """The source in pieces of `size` bytes, the last one shorter or, where the source is empty, the only one and empty."""
    held = bytearray()
    offset = 0
    for chunk in chunks_of(source):
        view = memoryview(chunk)
        while len(view) > 0:
            # Only when more is known to come: the last piece must be marked.
            if len(held) == size:
                yield Piece(bytes(held), offset, last=False)
                offset += size
                held.clear()
            part = view[: size - len(held)]
            held += part
            view = view[len(part) :]
    yield Piece(bytes(held), offset, last=True)


def _bytes_of(chunk: str | bytes) -> bytes:
    return chunk.encode() if isinstance(chunk, str) else chunk
