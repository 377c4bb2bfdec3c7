# Made from ../_async by make_sync.py. Not edited.
"""Trees of files as tar archives, over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Iterable

from ..errors import DaytonahError
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
    broken: Exception | None = None

    def piecemeal() -> Generator[bytes, None]:
        nonlocal broken
        try:
            for chunk in chunks_of(archive):
                yield chunk
        except Exception as error:
            broken = error
            raise

    def attempt(way: Way, progress: Progress) -> Generator[ArchiveWritten, None]:
        nonlocal sent
        sent = True
        content: bytes | Iterator[bytes] = piecemeal() if whole is None else whole
        with http_request(plane, way, "PUT", "archive", query, content=content) as answer:
            said = json.loads(whole_of(answer))
        yield ArchiveWritten(int(said["entries"]), int(said["bytes"]))

    # What comes bit by bit is gone once it was sent.
    answers = resuming(plane, attempt, may_resume=lambda: whole is not None or not sent)
    try:
        return first_of(answers)
    except DaytonahError:
        if broken is not None:
            raise broken from None  # the connection is the least of its troubles
        raise
