"""What the calls take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

StreamName = Literal["stdout", "stderr", "pty"]
FileType = Literal["unspecified", "file", "directory", "symlink", "other"]
ChangeKind = Literal[
    "unspecified", "ready", "created", "written", "removed", "renamed", "attributes", "overflow"
]
Command = str | Sequence[str]
"""A line for the shell, or a program and its arguments."""


@dataclass(frozen=True)
class SandboxInfo:
    """A sandbox as the platform describes it."""

    id: str
    """20 of [a-z0-9]."""
    state: str
    """"creating", "running", "failed" …"""
    template: str
    vcpus: int
    memory_mib: int
    disk_mib: int
    metadata: Mapping[str, str]
    """Your labels."""
    create_time: datetime
    state_time: datetime
    """When its state last changed."""
    epoch: int
    """Counts its starts, from 1."""
    failure_reason: str | None
    """Why it failed, such as "VM_DIED"; None in every other state."""
    failure_message: str | None
    host_id: str | None
    hardware_isolated: bool
    """False where the host emulates: such a sandbox is no security boundary."""
    direct_url: str | None
    """Origin of its host's edge; None where there is none."""
    public_ports: Sequence[int]
    """Ports whose addresses are open to everyone."""


@dataclass(frozen=True)
class OutputEvent:
    """A piece of output, in the order in which the program wrote it."""

    stream: StreamName
    data: bytes
    text: str
    """A character that was cut in two comes with the event that completes it, so this may be empty."""
    offset: int
    """Offset of its first byte; all streams share one numbering."""


@dataclass(frozen=True)
class ExecResult:
    """How a program ended, and what it wrote."""

    exit_code: int
    """128 + the signal's number where a signal ended it."""
    signal: int | None
    """Number of the signal that ended it."""
    timed_out: bool
    out_of_memory: bool
    """The sandbox was out of memory."""
    stdout: str
    stderr: str
    stdout_bytes: bytes
    stderr_bytes: bytes
    truncated: bool
    """Part of the output is missing above: it was more than `max_output_bytes`, or bytes were lost."""
    lost_bytes: int
    """Bytes that the platform no longer had when the connection was back."""
    run_time: float
    """Seconds."""


@dataclass(frozen=True)
class ProcessInfo:
    """A process that was started by exec, start or pty."""

    id: str
    """Its name, for `sandbox.attach(id)`."""
    pid: int
    args: Sequence[str]
    cwd: str
    user: str
    tag: str
    start_time: datetime
    exit_code: int | None
    """Set once it ended."""
    end_offset: int
    """Offset after its last byte of output so far."""


@dataclass(frozen=True)
class FileInfo:
    """What is at a path."""

    path: str
    """Absolute."""
    name: str
    type: FileType
    size: int
    mode: int
    """Permission bits, 0 to 0o7777."""
    owner: str
    group: str
    uid: int
    gid: int
    modify_time: datetime
    symlink_target: str | None
    """Where a link points, absolute; None where it is broken or no link."""
    xattrs: Mapping[str, bytes]
    """Extended attributes of the `user.` namespace; only where asked for."""


@dataclass(frozen=True)
class FileChange:
    """A change below a watched directory."""

    kind: ChangeKind
    path: str
    """Relative to the watched directory."""
    info: FileInfo | None
    """The file now, where asked for and still there."""


@dataclass(frozen=True)
class TextMatch:
    """A line that matches."""

    path: str
    line: int
    """From 1."""
    column: int
    """In bytes, from 1."""
    text: str


@dataclass(frozen=True)
class Replacement:
    """What became of one file."""

    path: str
    replacements: int
    failure_reason: str | None
    """Why this file failed, such as "FILE_NOT_FOUND"; None where it did not."""
    failure_message: str | None


@dataclass(frozen=True)
class PortUrl:
    """Addresses of a port, with a token that lets in for a time."""

    url: str
    direct_url: str | None
    """Straight to the host; None where it has no edge."""
    token: str
    """For the header `dnah-port-token`, in place of the one in the addresses."""
    expire_time: datetime
