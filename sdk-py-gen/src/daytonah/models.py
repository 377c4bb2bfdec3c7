"""What sandboxes are, and what they use and say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .life_models import Lifecycle

LogSource = Literal["console", "agent", "process", "unknown"]
"""Where a line comes from; "unknown" is newer than this package."""


@dataclass(frozen=True)
class SandboxInfo:
    """A sandbox as the platform describes it."""

    id: str
    """20 of [a-z0-9]."""
    state: str
    """"creating", "running", "pausing", "paused", "resuming", "lost", "failed", "deleting", "deleted"; "unknown" is newer than
    this package."""
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
    lifecycle: Lifecycle
    """When and how it ends or pauses by itself."""
    end_time: datetime | None
    """When `lifecycle.timeout` is over; None where it has none, and while it is paused."""
    parent_id: str | None
    """The sandbox it was forked from; None where it was not."""
    snapshot_id: str | None
    """The snapshot it was made from or last rolled back to; it may be deleted by now."""
    memory_kept: bool
    """While it is paused: whether it goes on where it was, or starts from its disk."""
    purge_time: datetime | None
    """For a deleted one: until when `Sandbox.undelete` works."""


@dataclass(frozen=True)
class StageTime:
    """How long a stage of a create took."""

    stage: str
    """"queue", "claim" (from a warm pool), "disk", "vmm" or "restore" (from a snapshot), "agent", "personalize", "hooks"."""
    seconds: float
    """How long it took."""


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
class SandboxEvent:
    """Something that happened to a sandbox or a snapshot of your organization."""

    cursor: str
    """Names its place; pass it to `watch` to go on from here."""
    kind: str
    """"sandbox." or "snapshot." and the state it moved to, such as "sandbox.running"; see docs/events.md."""
    sandbox_id: str
    """The sandbox, also of a snapshot."""
    epoch: int
    """Its epoch then."""
    time: datetime
    """When."""
    data: Mapping[str, str]
    """Facts, such as `reason` of a failure."""


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
