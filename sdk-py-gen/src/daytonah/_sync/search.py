# Made from ../_async by make_sync.py. Not edited.
"""Entries of directories, and what is found in them, page by page."""

from __future__ import annotations

from collections.abc import Generator, Callable, Iterable
from contextlib import closing
from typing import TypeVar

from .._from_wire import file_info_of
from .._gen.daytonah.v1 import file_pb
from ..errors import ConflictError
from ..file_models import FileInfo
from .data_plane import DataPlane
from .resuming import Progress, resuming
from .way import Way

T = TypeVar("T")


def list_files(plane: DataPlane, request: file_pb.ListDirectoryRequest) -> Generator[FileInfo, None]:
    """A listing that broke goes on after the last entry that was given."""
    last: str | None = None

    def attempt(way: Way, progress: Progress) -> Generator[FileInfo, None]:
        nonlocal last
        skip_to = last
        with closing(plane.pages(way.files.list_directory, request)) as pages:
            for page in pages:
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
    plane: DataPlane,
    request: file_pb.SearchFilesRequest,
    items_of: Callable[[file_pb.SearchFilesResponse], Iterable[T]],
) -> Generator[T, None]:
    """What was found is told at once; a call that breaks after that is not repeated."""
    given = False

    def attempt(way: Way, progress: Progress) -> Generator[T, None]:
        nonlocal given
        with closing(plane.pages(way.files.search_files, request)) as pages:
            for page in pages:
                for item in items_of(page):
                    given = True
                    yield item

    return resuming(plane, attempt, may_resume=lambda: not given)


def _changed(path: str) -> ConflictError:
    return ConflictError(
        f"{path} was changed while it was listed.", code="aborted", reason="FILE_CHANGED", next_step="List it again."
    )
