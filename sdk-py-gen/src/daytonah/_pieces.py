"""Content cut into pieces of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PIECE_BYTES = 1024 * 1024


def pieces_of(content: str | bytes | Iterable[str | bytes]) -> Iterator[tuple[bytes, int, bool]]:
    """Each piece, the position of its first byte, and whether no other follows. Empty content is one empty piece."""
    held = bytearray()
    offset = 0
    for chunk in [content] if isinstance(content, (str, bytes)) else content:
        held += chunk.encode() if isinstance(chunk, str) else chunk
        # Only when more is known to come: the last piece must be marked.
        while len(held) > PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES]), offset, False
            offset += PIECE_BYTES
            del held[:PIECE_BYTES]
    yield bytes(held), offset, True
