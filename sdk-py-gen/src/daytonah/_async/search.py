"""Entries of directories, and what is found in them, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

from .._from_wire import file_info_of
from .._gen.daytonah.v1 import file_pb
from ..errors import ConflictError
from ..file_models import FileInfo
from .data_plane import AsyncDataPlane
from .resuming import Progress, resuming
from .way import AsyncWay

T = TypeVar("T")


def list_files(plane: AsyncDataPlane, request: file_pb.ListDirectoryRequest) -> AsyncGenerator[FileInfo, None]:
    """A listing that broke goes on after the last entry that was given."""
    last: str | None = None

    async def attempt(way: AsyncWay, progress: Progress) -> AsyncGenerator[FileInfo, None]:
        nonlocal last
        skip_to = last
        async with aclosing(plane.pages(way.files.list_directory, request)) as pages:
            async for page in pages:
                progress()
                for file in page.files:
                    if skip_to is None:
                        last = file.path
                        yield file_info_of(file)
                    elif file.path == skip_to:
                        skip_to = None
        if skip_to is not None:
            raise _changed(request.path)

    return resuming(plane, attempt)


def search_files(
    plane: AsyncDataPlane,
    request: file_pb.SearchFilesRequest,
    items_of: Callable[[file_pb.SearchFilesResponse], Iterable[T]],
) -> AsyncGenerator[T, None]:
    """What was found is told at once; a call that breaks after that is not repeated."""
    given = False

    async def attempt(way: AsyncWay, progress: Progress) -> AsyncGenerator[T, None]:
        nonlocal given
        async with aclosing(plane.pages(way.files.search_files, request)) as pages:
            async for page in pages:
                for item in items_of(page):
                    given = True
                    yield item

    return resuming(plane, attempt, may_resume=lambda: not given)


def _changed(path: str) -> ConflictError:
    return ConflictError(
        f"{path} was changed while it was listed.", code="aborted", reason="FILE_CHANGED", next_step="List it again."
    )
