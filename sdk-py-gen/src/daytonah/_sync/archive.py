# Made from ../_async by make_sync.py. Not edited.
"""Trees of files as tar archives, over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Iterable

from ..file_models import ArchiveWritten, ByteSource
from .data_plane import DataPlane
from .http_request import http_request, whole_of
from .pieces import chunks_of
from .resuming import Progress, first_of, resuming
from .way import Way


def read_archive(plane: DataPlane, path: str, names: Iterable[str], user: str) -> Generator[bytes, None]:
    given = False
    query = {"path": path, "names": [*names], "user": user or None}

    def attempt(way: Way, progress: Progress) -> Generator[bytes, None]:
        nonlocal given
        with http_request(plane, way, "GET", "archive", query) as answer:
            for chunk in answer.content:
                given = True
                yield bytes(chunk)

    return resuming(plane, attempt, may_resume=lambda: not given)


def write_archive(
    plane: DataPlane, path: str, archive: ByteSource, keep_owner: bool, user: str
) -> ArchiveWritten:
    query = {"path": path, "user": user or None, "keep_owner": "true" if keep_owner else None}
    whole = archive if isinstance(archive, bytes) else None
    sent = False

    def attempt(way: Way, progress: Progress) -> Generator[ArchiveWritten, None]:
        nonlocal sent
        content: bytes | Iterator[bytes] = whole if whole is not None else chunks_of(archive)
        sent = True
        with http_request(plane, way, "PUT", "archive", query, content=content) as answer:
            said = json.loads(whole_of(answer))
        yield ArchiveWritten(int(said["entries"]), int(said["bytes"]))

    # What comes bit by bit is gone once it was sent.
    return first_of(resuming(plane, attempt, may_resume=lambda: whole is not None or not sent))
