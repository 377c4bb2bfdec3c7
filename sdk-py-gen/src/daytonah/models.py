"""What the calls take and give."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Literal, NamedTuple, TypeAlias

StreamName = Literal["stdout", "stderr", "pty"]
FileType = Literal["file", "directory", "symlink", "other", "unknown"]
"""A kind of file; "unknown" is newer than this package."""
ChangeKind = Literal[
    "ready", "created", "written", "removed", "renamed", "attributes", "overflow", "unknown"
]
LogSource = Literal["console", "agent", "process", "unknown"]
Command = str | Sequence[str]
"""A line for the shell, or a program and its arguments."""
ByteSource: TypeAlias = str | bytes | IO[bytes] | IO[str] | Iterable[str | bytes] | Iterable[bytes]
"""Bytes or text, whole, as a file that is open for reading, or as they come. Text becomes UTF-8."""
AsyncByteSource: TypeAlias = ByteSource | AsyncIterable[str | bytes] | AsyncIterable[bytes]


class PtySize(NamedTuple):
    """Size of a terminal's window, in characters, each 1 to 1,000."""

    columns: int
    rows: int


@dataclass(frozen=True)
class SandboxInfo:
    """A sandbox as the platform describes it."""

    id: str
    """20 of [a-z0-9]."""
    state: str
    """"creating", "running", "failed" …"""
    template: str
    """Name of its template."""
    vcpus: int
    """Virtual CPUs."""
    memory_mib: int
    """Memory, MiB."""
    disk_mib: int
    """Root disk, MiB."""
    metadata: Mapping[str, str]
    """Your labels."""
    create_time: datetime
    """When it was asked for."""
    state_time: datetime
    """When its state last changed."""
    epoch: int
    """Counts its starts, from 1."""
    failure_reason: str | None
    """Why it failed, such as "VM_DIED"; None in every other state."""
    failure_message: str | None
    """The same in words."""
    host_id: str | None
    """Host it is on; None where it is on none."""
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
    """"pty" for everything that a program on a terminal writes."""
    data: bytes
    """Its bytes."""
    text: str
    """Its text. A character that was cut in two comes with the event that completes it, so this may be empty."""
    offset: int
    """Offset of its first byte; all streams share one numbering."""


@dataclass(frozen=True)
class ProcessExit:
    """How a program ended."""

    exit_code: int
    """128 + the signal's number where a signal ended it."""
    signal: str | None
    """The signal that ended it, such as "SIGKILL"."""
    timed_out: bool
    """Its `timeout` passed."""
    out_of_memory: bool
    """The sandbox was out of memory."""
    run_time: float
    """How long it ran, seconds."""


@dataclass(frozen=True)
class ExecResult(ProcessExit):
    """How a program ended, and what it wrote."""

    stdout: str
    """As text; what is no UTF-8 becomes U+FFFD. What a program on a terminal wrote is here too."""
    stderr: str
    """As text, empty where the program ran on a terminal."""
    stdout_bytes: bytes
    """As it was written."""
    stderr_bytes: bytes
    """As it was written."""
    truncated: bool
    """Part of the output is missing above: it was more than `max_output_bytes`, or bytes were lost."""
    lost_bytes: int
    """Bytes that the platform no longer had when the connection was back."""


@dataclass(frozen=True)
class ProcessInfo:
    """A process that was started by exec, start or pty."""

    id: str
    """Its name, for `sandbox.attach(id)`."""
    pid: int
    """pid in the sandbox."""
    args: Sequence[str]
    """Program and arguments."""
    cwd: str
    """Working directory it was started in."""
    user: str
    """The sandbox's user it runs as."""
    tag: str
    """The label it was started with; may be empty."""
    env: Mapping[str, str]
    """What was added to the sandbox's environment for it."""
    pty: PtySize | None
    """Size of its terminal; None where it has none."""
    start_time: datetime
    """When it was started."""
    exited: ProcessExit | None
    """Set once it ended."""
    end_offset: int
    """Offset after its last byte of output so far."""


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
class ListeningPort:
    """A TCP port that a program in the sandbox listens on."""

    port: int
    """1 to 65535."""
    address: str
    """Address it is bound to, such as "127.0.0.1", "0.0.0.0" or "::". Each can be reached."""
    pid: int | None
    """pid that listens; None where not known."""
    command: str
    """Name of the program."""


@dataclass(frozen=True)
class PortUrl:
    """Addresses of a port. Whoever has one can hand it on."""

    url: str
    """By the platform's domain, with the token in it: survives a move to another host."""
    direct_url: str | None
    """Straight to the host, with the token in it; None where it has no edge."""
    token: str
    """The token alone, for the header `dnah-port-token`."""
    expire_time: datetime
    """When the token ends."""


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


@dataclass(frozen=True)
class MetricsSample:
    """One reading of what a sandbox uses."""

    time: datetime
    """When it was made."""
    cpu_count: int
    """Virtual CPUs."""
    cpu_used_percent: float
    """Share of all CPUs that was busy since the sample before (since boot, for the first), 0 to 100."""
    cpu_time: float
    """CPU time used since boot, seconds."""
    memory_total_bytes: int
    """Memory of the sandbox."""
    memory_used_bytes: int
    """Neither free nor reclaimable."""
    memory_cache_bytes: int
    """Page cache."""
    disk_total_bytes: int
    """Size of the root disk."""
    disk_used_bytes: int
    """Used of the root disk."""
    network_received_bytes: int
    """Since boot."""
    network_sent_bytes: int
    """Since boot."""


@dataclass(frozen=True)
class Metrics:
    """What a sandbox uses, and used."""

    now: MetricsSample
    """Read for this call."""
    history: Sequence[MetricsSample]
    """Oldest first."""
    interval: float
    """Between two samples of the history, seconds."""


@dataclass(frozen=True)
class LogEntry:
    """A line of a log."""

    time: datetime
    """When it was written, or read where that is not known."""
    source: LogSource
    """"console": the kernel, and what writes to /dev/console. "agent": starts and ends of processes, and the agent's own
    troubles. "process": output of processes, line by line."""
    label: str
    """"error", "warn", "info" or "debug" for the agent; "stdout", "stderr" or "pty" for a process; empty for the console."""
    text: str
    """The line without its end, 4 KiB at most; what is no UTF-8 became U+FFFD."""
    process_id: str | None
    """The process it is of or about; None where there is none."""


@dataclass(frozen=True)
class StageTime:
    """How long a stage of a create took."""

    stage: str
    """"queue", "disk", "vmm", "agent" or "personalize"."""
    seconds: float
    """How long it took."""
