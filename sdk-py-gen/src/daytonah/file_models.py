"""What the calls about files take and give."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Literal, TypeAlias

FileType = Literal["file", "directory", "symlink", "other", "unknown"]
"""A kind of file; "unknown" is newer than this package."""
ChangeKind = Literal[
    "ready", "created", "written", "removed", "renamed", "attributes", "overflow", "unknown"
]
ByteSource: TypeAlias = str | bytes | IO[bytes] | IO[str] | Iterable[str | bytes] | Iterable[bytes]
"""Bytes or text, whole, as a file that is open for reading, or as they come. Text becomes UTF-8."""
AsyncByteSource: TypeAlias = ByteSource | AsyncIterable[str | bytes] | AsyncIterable[bytes]


@dataclass(frozen=True)
class FileInfo:
    """What is at a path."""

    path: str
    """Absolute."""
    name: str
    """Its last part."""
    type: FileType
    """What it is; a link is "symlink", whatever it points to."""
    size: int
    """Bytes."""
    mode: int
    """Permission bits, 0 to 0o7777."""
    owner: str
    """Owner's name, or the number as text."""
    group: str
    """Group's name, or the number as text."""
    uid: int
    """Numeric owner."""
    gid: int
    """Numeric group."""
    modify_time: datetime
    """When its content last changed."""
    symlink_target: str | None
    """Where a link points, absolute; None where it is broken or no link."""
    target_type: FileType | None
    """Kind of what a link points to; None where it is broken or no link."""
    xattrs: Mapping[str, bytes]
    """Extended attributes of the `user.` namespace, without the prefix; empty where not asked for."""


@dataclass(frozen=True)
class FileChange:
    """A change below a watched directory."""

    kind: ChangeKind
    """"ready": the watch is set, and what happens from here on is told. "renamed": the path is gone, and its new name comes as
    "created". "attributes": mode, owner or time changed. "overflow": changes were lost, so list the directory again."""
    path: str
    """Relative to the watched directory; empty for "ready" and "overflow"."""
    info: FileInfo | None
    """The file now, where asked for and still there."""


@dataclass(frozen=True)
class TextMatch:
    """A line that matches."""

    path: str
    """Absolute path of the file."""
    line: int
    """Number of the line, from 1."""
    column: int
    """Position of the match in the line, in bytes from 1."""
    text: str
    """The line, 4 KiB at most."""


@dataclass(frozen=True)
class Replacement:
    """What became of one file."""

    path: str
    """The path, as it was given."""
    replacements: int
    """Number of places that were replaced; where it is 0 the file was not written."""
    failure_reason: str | None
    """Why this file failed, such as "FILE_NOT_FOUND"; None where it did not."""
    failure_message: str | None
    """The same in words."""


@dataclass(frozen=True)
class FileUrl:
    """A signed address of a file. Whoever has it can use it and hand it on."""

    url: str
    """Through the control plane."""
    direct_url: str | None
    """Straight to the host; None where it has no edge."""
    expire_time: datetime
    """When both end."""


@dataclass(frozen=True)
class ArchiveWritten:
    """What was unpacked."""

    entries: int
    """Number of files, directories and links."""
    bytes: int
    """Bytes of content."""
