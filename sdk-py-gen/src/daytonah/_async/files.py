"""The files of a sandbox."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

from protobuf.wkt import Timestamp

from .._from_wire import file_change_of, file_info_of, text_match_of
from .._gen.daytonah.v1 import file_pb
from .._pieces import pieces_of
from ..errors import ConflictError, DaytonahError, LimitError, NotFoundError, UnavailableError
from ..models import FileChange, FileInfo, Replacement, TextMatch
from .data_plane import AsyncDataPlane


class AsyncFiles:
    """The files of a sandbox; at `sandbox.files`. "~" and relative paths count from the user's home.

    All methods raise a NotFoundError (FILE_NOT_FOUND), a PermissionDeniedError (FILE_ACCESS_DENIED) or a ConflictError
    (FILE_WRONG_TYPE) where the path calls for it. `user` says as which of the sandbox's users; the default user where empty.
    """

    def __init__(self, plane: AsyncDataPlane) -> None:
        self._plane = plane

    async def read(self, path: str, *, user: str = "", max_bytes: int = 256 * 1024 * 1024) -> bytes:
        """The file's bytes. More than `max_bytes` are a LimitError; for larger files there is `stream`."""
        content = bytearray()
        async for chunk in self.stream(path, user=user):
            content += chunk
            if len(content) > max_bytes:
                raise LimitError(
                    f"{path} has more than {max_bytes} bytes.",
                    code="resource_exhausted",
                    next_step="Use files.stream(path), or raise max_bytes.",
                )
        return bytes(content)

    async def read_text(self, path: str, *, user: str = "", max_bytes: int = 256 * 1024 * 1024) -> str:
        """The file as text; what is no UTF-8 becomes U+FFFD."""
        return (await self.read(path, user=user, max_bytes=max_bytes)).decode(errors="replace")

    async def stream(self, path: str, *, user: str = "", offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        """The file piece by piece, for what is too large for memory; `length` 0 reads to the end.

        Goes on behind your back where the connection broke; a ConflictError where the file was changed meanwhile.
        """
        received = 0
        failures = 0
        first: file_pb.FileInfo | None = None
        while True:
            request = file_pb.ReadFileRequest(
                path=path, user=user, offset=offset + received, length=length - received if length else 0
            )
            try:
                async with aclosing(self._plane.stream(lambda route: route.files.read_file, request)) as answers:
                    async for response in answers:
                        match response.part and response.part.value:
                            case file_pb.FileInfo() as info:
                                first = first or info
                                if (info.size, info.modify_time) != (first.size, first.modify_time):
                                    raise ConflictError(f"{path} was changed while it was read.", code="aborted")
                            case bytes(data):
                                failures = 0
                                received += len(data)
                                yield data
                if first is not None:
                    return
                raise UnavailableError("The stream of the file ended too early.", code="unavailable")
            except DaytonahError as error:
                if length and received >= length:
                    return  # all that was asked for; 0 would ask for the rest
                failures += 1
                await self._plane.connection.wait_to_retry(failures, error)

    async def write(
        self, path: str, content: str | bytes | Iterable[str | bytes], *, mode: int = 0, user: str = ""
    ) -> FileInfo:
        """Writes the file and makes missing folders. The path changes at once and whole: no reader sees half a file.

        `mode`: permission bits of a new file, 0o644 where 0. Anything over 1 MiB goes in pieces, one in memory at a time.
        """
        upload_id = os.urandom(16).hex()
        info: file_pb.FileInfo | None = None
        for data, offset, last in pieces_of(content):
            whole = offset == 0 and last
            piece = None if whole else file_pb.UploadPiece(upload_id=upload_id, offset=offset, last=last)
            request = file_pb.WriteFileRequest(path=path, data=data, mode=mode, user=user, piece=piece)
            # Repeating a piece changes nothing, nor does writing the same whole file again.
            answer = await self._plane.unary(lambda route: route.files.write_file, request, repeatable=True)
            info = answer.info
        return file_info_of(info)

    async def stat(self, path: str, *, user: str = "") -> FileInfo:
        """What is at the path."""
        request = file_pb.StatFileRequest(path=path, user=user)
        return file_info_of((await self._plane.unary(lambda route: route.files.stat_file, request, repeatable=True)).info)

    async def exists(self, path: str, *, user: str = "") -> bool:
        """Whether anything is at the path."""
        try:
            await self.stat(path, user=user)
        except NotFoundError as error:
            if error.reason == "FILE_NOT_FOUND":
                return False
            raise
        return True

    async def list(self, path: str, *, depth: int = 1, user: str = "", xattrs: bool = False) -> Sequence[FileInfo]:
        """The entries of a directory, sorted by path; `depth` levels below it, 1 to 64."""
        request = file_pb.ListDirectoryRequest(path=path, depth=depth, user=user, include_xattrs=xattrs)
        found: list[FileInfo] = []
        async with aclosing(self._plane.stream(lambda route: route.files.list_directory, request)) as answers:
            async for page in answers:
                found += [file_info_of(info) for info in page.files]
        return found

    async def make_dir(self, path: str, *, mode: int = 0, must_be_new: bool = False, user: str = "") -> FileInfo:
        """Makes a directory and those above it that are missing."""
        request = file_pb.MakeDirectoryRequest(path=path, mode=mode, must_be_new=must_be_new, user=user)
        answer = await self._plane.unary(
            lambda route: route.files.make_directory, request, repeatable=not must_be_new
        )
        return file_info_of(answer.info)

    async def move(self, source: str, destination: str, *, no_replace: bool = False, user: str = "") -> FileInfo:
        """Moves or renames; makes missing parents of the destination."""
        request = file_pb.MoveFileRequest(source=source, destination=destination, no_replace=no_replace, user=user)
        return file_info_of((await self._plane.unary(lambda route: route.files.move_file, request, repeatable=False)).info)

    async def remove(
        self, path: str, *, recursive: bool = False, missing_ok: bool = False, user: str = ""
    ) -> None:
        """Removes a file, a link or an empty directory; with `recursive` a directory with all below it."""
        request = file_pb.RemoveFileRequest(path=path, recursive=recursive, missing_ok=missing_ok, user=user)
        await self._plane.unary(lambda route: route.files.remove_file, request, repeatable=missing_ok)

    async def set_attributes(
        self,
        path: str,
        *,
        mode: int | None = None,
        owner: str | None = None,
        group: str | None = None,
        modify_time: datetime | None = None,
        xattrs: Mapping[str, bytes] | None = None,
        recursive: bool = False,
        user: str = "",
    ) -> FileInfo:
        """Changes what is named; the rest stays. An empty extended attribute is removed."""
        request = file_pb.SetAttributesRequest(
            path=path,
            mode=mode,
            owner=owner,
            group=group,
            xattrs=dict(xattrs or {}),
            recursive=recursive,
            user=user,
            modify_time=Timestamp.from_datetime(modify_time) if modify_time is not None else None,
        )
        answer = await self._plane.unary(lambda route: route.files.set_attributes, request, repeatable=True)
        return file_info_of(answer.info)

    async def watch(
        self, path: str, *, recursive: bool = False, info: bool = False, user: str = ""
    ) -> AsyncIterator[FileChange]:
        """The changes below a directory as they happen, after a first one of kind "ready". Leave the loop to end it.

        Where changes were lost, also over a broken connection, one of kind "overflow" says so: list the directory again.
        """
        request = file_pb.WatchFilesRequest(path=path, recursive=recursive, include_info=info, user=user)
        failures = 0
        began = False
        while True:
            try:
                async with aclosing(self._plane.stream(lambda route: route.files.watch_files, request)) as answers:
                    async for response in answers:
                        failures = 0
                        change = response.event and response.event.value
                        if not isinstance(change, file_pb.FileChange):
                            continue
                        if began and change.kind == file_pb.FileChangeKind.READY:
                            yield FileChange("overflow", "", None)
                        else:
                            began = True
                            yield file_change_of(change)
                return
            except DaytonahError as error:
                failures += 1
                await self._plane.connection.wait_to_retry(failures, error)

    async def search(
        self,
        path: str,
        *,
        name: str = "",
        exclude: Iterable[str] = (),
        ignore_case: bool = False,
        limit: int = 0,
        user: str = "",
    ) -> Sequence[FileInfo]:
        """Files and directories below `path` whose names match a glob such as "*.py"; at most `limit`, 1,000 where 0."""
        request = file_pb.SearchFilesRequest(
            path=path, name_glob=name, exclude_globs=[*exclude], ignore_case=ignore_case, limit=limit, user=user
        )
        found: list[FileInfo] = []
        async with aclosing(self._plane.stream(lambda route: route.files.search_files, request)) as answers:
            async for page in answers:
                found += [file_info_of(info) for info in page.files]
        return found

    async def grep(
        self,
        path: str,
        content: str,
        *,
        regex: bool = False,
        name: str = "",
        exclude: Iterable[str] = (),
        ignore_case: bool = False,
        limit: int = 0,
        user: str = "",
    ) -> Sequence[TextMatch]:
        """Lines with a text, or matching a regular expression (RE2 syntax), in files below `path`."""
        request = file_pb.SearchFilesRequest(
            path=path,
            content=content,
            regex=regex,
            name_glob=name,
            exclude_globs=[*exclude],
            ignore_case=ignore_case,
            limit=limit,
            user=user,
        )
        found: list[TextMatch] = []
        async with aclosing(self._plane.stream(lambda route: route.files.search_files, request)) as answers:
            async for page in answers:
                found += [text_match_of(match) for match in page.matches]
        return found

    async def replace(
        self, paths: Iterable[str], pattern: str, replacement: str, *, regex: bool = False, user: str = ""
    ) -> Sequence[Replacement]:
        """Replaces text in files; each changes at once and whole. One answer for each path, in their order."""
        request = file_pb.ReplaceInFilesRequest(
            paths=[*paths], pattern=pattern, replacement=replacement, regex=regex, user=user
        )
        answer = await self._plane.unary(lambda route: route.files.replace_in_files, request, repeatable=False)
        return [
            Replacement(file.path, file.replacements, file.failure_reason or None, file.failure_message or None)
            for file in answer.files
        ]
