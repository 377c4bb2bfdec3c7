"""Trees of files as tar archives, over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from ..errors import DaytonahError
from ..file_models import ArchiveWritten, AsyncByteSource
from .data_plane import AsyncDataPlane
from .http_request import http_request, whole_of
from .pieces import chunks_of
from .resuming import Progress, first_of, resuming
from .way import AsyncWay


def read_archive(plane: AsyncDataPlane, path: str, names: Iterable[str], user: str) -> AsyncGenerator[bytes, None]:
    given = False
    query = {"path": path, "names": [*names], "user": user or None}

    async def attempt(way: AsyncWay, progress: Progress) -> AsyncGenerator[bytes, None]:
        nonlocal given
        async with http_request(plane, way, "GET", "archive", query) as answer:
            async for chunk in answer.content:
                given = True
                yield bytes(chunk)

    return resuming(plane, attempt, may_resume=lambda: not given)


async def write_archive(
    plane: AsyncDataPlane, path: str, archive: AsyncByteSource, keep_owner: bool, user: str
) -> ArchiveWritten:
    query = {"path": path, "user": user or None, "keep_owner": "true" if keep_owner else None}
    whole = archive if isinstance(archive, bytes) else None
    sent = False
    broken: Exception | None = None

    async def piecemeal() -> AsyncGenerator[bytes, None]:
        nonlocal broken
        try:
            async for chunk in chunks_of(archive):
                yield chunk
        except Exception as error:
            broken = error
            raise

    async def attempt(way: AsyncWay, progress: Progress) -> AsyncGenerator[ArchiveWritten, None]:
        nonlocal sent
        sent = True
        content: bytes | AsyncIterator[bytes] = piecemeal() if whole is None else whole
        async with http_request(plane, way, "PUT", "archive", query, content=content) as answer:
            said = json.loads(await whole_of(answer))
        yield ArchiveWritten(int(said["entries"]), int(said["bytes"]))

    # What comes bit by bit is gone once it was sent.
    answers = resuming(plane, attempt, may_resume=lambda: whole is not None or not sent)
    try:
        return await first_of(answers)
    except DaytonahError:
        if broken is not None:
            raise broken from None  # the connection is the least of its troubles
        raise
