# Made from ../_async by make_sync.py. Not edited.
"""Changes below a directory: as they happen, or on asking."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Self

from .._from_wire import file_change_of
from .._gen.daytonah.v1 import file_pb
from ..errors import UnavailableError
from ..file_models import FileChange
from .data_plane import DataPlane
from .resuming import Progress, resuming
from .way import Way


def watch_files(
    plane: DataPlane, path: str, recursive: bool, info: bool, user: str
) -> Generator[FileChange, None]:
    """What happened while a connection was gone can't be known: that is told as an overflow."""
    request = file_pb.WatchFilesRequest(path=path, recursive=recursive, include_info=info, user=user)
    was_ready = False

    def attempt(way: Way, progress: Progress) -> Generator[FileChange, None]:
        nonlocal was_ready
        with closing(plane.stream(way.files.watch_files, request)) as answers:
            for answer in answers:
                progress()
                event = answer.event and answer.event.value
                if not isinstance(event, file_pb.FileChange):
                    continue
                change = file_change_of(event)
                yield replace(change, kind="overflow") if was_ready and change.kind == "ready" else change
                was_ready = was_ready or change.kind == "ready"
        raise UnavailableError("The stream of changes ended too early.", code="unavailable")

    return resuming(plane, attempt)


class FileWatch:
    """A watch that is asked for its changes from time to time, for who can't keep a stream open. It ends when nobody asked for
    10 minutes; a sandbox has at most 64.

    ```python
    with sandbox.files.create_watch("src", recursive=True) as watch:
        for change in watch.read():
            print(change.kind, change.path)
    ```
    """

    def __init__(self, plane: DataPlane, watch_id: str) -> None:
        """Use `sandbox.files.create_watch`."""
        self.id = watch_id
        """Its name on the platform."""
        self._plane = plane
        self._cursor = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> Sequence[FileChange]:
        """What happened since the last time, oldest first, at most 1,000 changes at once; empty where nothing did.

        Raises a NotFoundError (RESOURCE_NOT_FOUND) where the watch is over: make another, and list the directory.
        """
        request = file_pb.ReadFileWatchRequest(watch_id=self.id, cursor=self._cursor)
        answer = self._plane.unary(lambda way: way.files.read_file_watch, request, repeatable=True)
        self._cursor = answer.next_cursor
        return [file_change_of(change) for change in answer.changes]

    def close(self) -> None:
        """Ends the watch. No error where it is over."""
        request = file_pb.DeleteFileWatchRequest(watch_id=self.id)
        self._plane.unary(lambda way: way.files.delete_file_watch, request, repeatable=True)
