# Made from ../_async by make_sync.py. Not edited.
"""The files of a sandbox."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from protobuf.wkt import Duration, Timestamp

from .._from_wire import datetime_of, file_info_of, text_match_of, wire_value_of
from .._gen.daytonah.v1 import file_pb, sandbox_pb
from ..errors import LimitError, NotFoundError
from ..file_models import ArchiveWritten, ByteSource, FileChange, FileInfo, FileUrl, Replacement, TextMatch
from .archive import read_archive, write_archive
from .data_plane import DataPlane
from .file_watch import FileWatch, watch_files
from .search import list_files, search_files
from .transfer import read_file, write_file

_MAX_BYTES = 256 * 1024 * 1024


class Files:
    """The files of a sandbox; at `sandbox.files`. "~" and relative paths count from the user's home.

    All methods raise a NotFoundError (FILE_NOT_FOUND), a PermissionDeniedError (FILE_ACCESS_DENIED) or a ConflictError
    (FILE_WRONG_TYPE) where the path calls for it. `user` says as which of the sandbox's users; the default user where empty.

    ```python
    sandbox.files.write("app/main.py", "print('hello')")
    print(sandbox.files.read_text("app/main.py"))
    ```
    """

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def read(self, path: str, *, user: str = "", max_bytes: int = _MAX_BYTES) -> bytes:
        """The file's bytes. More than `max_bytes` (256 MiB) are a LimitError; for larger files there is `stream`."""
        content = bytearray()
        for chunk in self.stream(path, user=user):
            content += chunk
            if len(content) > max_bytes:
                raise LimitError(
                    f"{path} has more than {max_bytes} bytes.",
                    code="resource_exhausted",
                    next_step="Use files.stream(path), or raise max_bytes.",
                )
        return bytes(content)

    def read_text(self, path: str, *, user: str = "", max_bytes: int = _MAX_BYTES) -> str:
        """The file as text; what is no UTF-8 becomes U+FFFD."""
        return (self.read(path, user=user, max_bytes=max_bytes)).decode(errors="replace")

    def stream(
        self, path: str, *, user: str = "", offset: int = 0, length: int | None = None
    ) -> Generator[bytes, None]:
        """The file piece by piece, for what is too large for memory: `length` bytes from `offset` on, to the end where None.

        Goes on behind your back where the connection broke; a ConflictError (FILE_CHANGED) where the file was changed meanwhile.

        ```python
        with open("copy.bin", "wb") as copy:
            for chunk in sandbox.files.stream("large.bin"):
                copy.write(chunk)
        ```
        """
        return read_file(self._plane, path, user, offset, length)

    def write(self, path: str, content: ByteSource, *, mode: int = 0, user: str = "") -> FileInfo:
        """Writes the file and makes missing folders. The path changes at once and whole: no reader sees half a file.

        Args:
            content: Text, bytes, a file that is open for reading, or an iterable of text or bytes. Anything over 1 MiB goes in
                pieces of 8 MiB, one in memory at a time; it goes on where a connection broke.
            mode: Permission bits of a new file, 0o644 where 0.
        """
        return file_info_of(write_file(self._plane, path, content, mode, user))

    def read_archive(
        self, directory: str, *, names: Iterable[str] = (), user: str = ""
    ) -> Generator[bytes, None]:
        """A directory with all below it, or only `names` (at most 1,000), as a tar archive, as it is made. Where it breaks after
        its first bytes it raises."""
        return read_archive(self._plane, directory, names, user)

    def write_archive(
        self, directory: str, archive: ByteSource, *, keep_owner: bool = False, user: str = ""
    ) -> ArchiveWritten:
        """Unpacks a tar archive into a directory, which is made where it is missing. What is there already is replaced.

        Args:
            archive: Bytes, a file that is open for reading, or an iterable of bytes. Only bytes are sent again where a
                connection broke.
            keep_owner: Keeps the archive's numeric owners; needs `user="root"`.
        """
        return write_archive(self._plane, directory, archive, keep_owner, user)

    def stat(self, path: str, *, user: str = "") -> FileInfo:
        """What is at the path."""
        request = file_pb.StatFileRequest(path=path, user=user)
        return file_info_of((self._plane.unary(lambda way: way.files.stat_file, request, repeatable=True)).info)

    def exists(self, path: str, *, user: str = "") -> bool:
        """Whether anything is at the path."""
        try:
            self.stat(path, user=user)
        except NotFoundError as error:
            if error.reason == "FILE_NOT_FOUND":
                return False
            raise
        return True

    def list(
        self, path: str, *, depth: int = 1, user: str = "", xattrs: bool = False
    ) -> Generator[FileInfo, None]:
        """The entries of a directory, sorted by path, each directory before what is in it; `depth` levels below it, 1 to 64.

        ```python
        for info in sandbox.files.list("src", depth=3):
            print(info.type, info.path, info.size)
        ```
        """
        request = file_pb.ListDirectoryRequest(path=path, depth=depth, user=user, include_xattrs=xattrs)
        return list_files(self._plane, request)

    def mkdir(self, path: str, *, mode: int = 0, must_be_new: bool = False, user: str = "") -> FileInfo:
        """Makes a directory and those above it that are missing. `mode`: permission bits, 0o755 where 0. With `must_be_new` a
        directory that is there already is a ConflictError (FILE_EXISTS)."""
        request = file_pb.MakeDirectoryRequest(path=path, mode=mode, must_be_new=must_be_new, user=user)
        answer = self._plane.unary(lambda way: way.files.make_directory, request, repeatable=not must_be_new)
        return file_info_of(answer.info)

    def move(self, source: str, destination: str, *, no_replace: bool = False, user: str = "") -> FileInfo:
        """Moves or renames a path. `destination` is its new path, not the directory to move it into; missing folders of it are
        made. With `no_replace` a file that is there is a ConflictError (FILE_EXISTS)."""
        request = file_pb.MoveFileRequest(source=source, destination=destination, no_replace=no_replace, user=user)
        return file_info_of((self._plane.unary(lambda way: way.files.move_file, request, repeatable=False)).info)

    def remove(self, path: str, *, recursive: bool = False, missing_ok: bool = False, user: str = "") -> None:
        """Removes a file, a link or an empty directory; with `recursive` a directory with all below it."""
        request = file_pb.RemoveFileRequest(path=path, recursive=recursive, missing_ok=missing_ok, user=user)
        self._plane.unary(lambda way: way.files.remove_file, request, repeatable=missing_ok)

    def set_attributes(
        self,
        path: str,
        *,
        mode: int | None = None,
        owner: str | None = None,
        group: str | None = None,
        modify_time: datetime | None = None,
        xattrs: Mapping[str, str | bytes] | None = None,
        recursive: bool = False,
        user: str = "",
    ) -> FileInfo:
        """Changes what is named; the rest stays. An empty extended attribute is removed. `owner` and `group`: names or numbers.
        With `recursive` everything below too; links are not followed."""
        request = file_pb.SetAttributesRequest(
            path=path,
            mode=mode,
            owner=owner,
            group=group,
            xattrs={name: _bytes_of(value) for name, value in (xattrs or {}).items()},
            recursive=recursive,
            user=user,
            modify_time=Timestamp.from_datetime(modify_time) if modify_time is not None else None,
        )
        answer = self._plane.unary(lambda way: way.files.set_attributes, request, repeatable=True)
        return file_info_of(answer.info)

    def watch(
        self, path: str, *, recursive: bool = False, info: bool = False, user: str = ""
    ) -> Generator[FileChange, None]:
        """The changes below a directory as they happen, after a first one of kind "ready". Leave the loop to end it.

        Where changes were lost, also over a broken connection, one of kind "overflow" says so: list the directory again.
        With `info` each change comes with the file's description.
        """
        return watch_files(self._plane, path, recursive, info, user)

    def create_watch(
        self, path: str, *, recursive: bool = False, info: bool = False, user: str = ""
    ) -> FileWatch:
        """A watch that is asked for its changes; see FileWatch. Raises a LimitError (GUEST_LIMIT_EXCEEDED) over 64."""
        request = file_pb.CreateFileWatchRequest(path=path, recursive=recursive, include_info=info, user=user)
        answer = self._plane.unary(lambda way: way.files.create_file_watch, request, repeatable=False)
        return FileWatch(self._plane, answer.watch_id)

    def find(
        self,
        path: str,
        *,
        name: str = "",
        exclude: Iterable[str] = (),
        ignore_case: bool = False,
        limit: int = 0,
        user: str = "",
    ) -> Generator[FileInfo, None]:
        """Files and directories below `path` whose names match a glob such as "*.py". Links are not followed.

        `exclude`: names, 64 at most, that are passed over with all below them. `limit`: 1 to 100,000 results; 1,000 where 0.
        """
        request = file_pb.SearchFilesRequest(
            path=path, name_glob=name, exclude_globs=[*exclude], ignore_case=ignore_case, limit=limit, user=user
        )
        return search_files(self._plane, request, lambda page: map(file_info_of, page.files))

    def search(
        self,
        path: str,
        text: str,
        *,
        regex: bool = False,
        name: str = "",
        exclude: Iterable[str] = (),
        ignore_case: bool = False,
        limit: int = 0,
        user: str = "",
    ) -> Generator[TextMatch, None]:
        """Lines with a text, or with `regex` matching an expression (RE2's syntax), in one file or in all below a directory.
        Binary files are passed over. The other options are those of `find`."""
        if text == "":
            raise ValueError("The text to search for is empty; files.find searches by name.")
        request = file_pb.SearchFilesRequest(
            path=path,
            content=text,
            regex=regex,
            name_glob=name,
            exclude_globs=[*exclude],
            ignore_case=ignore_case,
            limit=limit,
            user=user,
        )
        return search_files(self._plane, request, lambda page: map(text_match_of, page.matches))

    def replace(
        self, paths: Iterable[str], pattern: str, replacement: str, *, regex: bool = False, user: str = ""
    ) -> Sequence[Replacement]:
        """Replaces text in files, 1 to 1,000 of them of up to 16 MiB each; each changes at once and whole. One answer for each
        path, in their order. With `regex`, $1 or ${name} in the replacement stand for groups."""
        request = file_pb.ReplaceInFilesRequest(
            paths=[*paths], pattern=pattern, replacement=replacement, regex=regex, user=user
        )
        answer = self._plane.unary(lambda way: way.files.replace_in_files, request, repeatable=False)
        return [
            Replacement(file.path, file.replacements, file.failure_reason or None, file.failure_message or None)
            for file in answer.files
        ]

    def url(
        self, path: str, *, operation: Literal["read", "write"] = "read", ttl: float = 3600.0, user: str = ""
    ) -> FileUrl:
        """A signed address under which anybody can read, or write, this one file for `ttl` seconds (1 s to 7 days): by GET and
        HEAD, or by PUT and POST. A new access token of the sandbox ends it."""
        connection = self._plane.connection
        request = sandbox_pb.CreateFileUrlRequest(
            sandbox_id=self._plane.sandbox_id,
            path=path,
            user=user,
            operation=wire_value_of(sandbox_pb.FileUrlOperation, operation),
            ttl=Duration.from_seconds(ttl),
        )
        answer = connection.unary(
            connection.sandboxes.create_file_url, request, repeatable=True, headers=self._plane.headers
        )
        return FileUrl(answer.url, answer.direct_url or None, datetime_of(answer.expire_time))


def _bytes_of(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
