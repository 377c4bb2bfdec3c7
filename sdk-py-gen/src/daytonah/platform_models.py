"""What a platform has for sandboxes: templates, warm pools, hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

HostState = Literal["ready", "unreachable", "unknown"]


@dataclass(frozen=True)
class Template:
    """What a sandbox starts from."""

    name: str
    """What `Sandbox.create(name)` takes."""
    description: str
    """What is in it, one sentence."""
    disk_mib: int
    """Size of its root disk, MiB: the least a sandbox of it can have."""
    digest: str
    """Names the exact content: "sha256:" and 64 hex digits; empty for one of yours."""
    packages: Mapping[str, str]
    """Versions of the main packages, by name."""
    snapshot_id: str | None
    """The snapshot it stands on, for one of yours; None for the platform's own."""


@dataclass(frozen=True)
class Pool:
    """A warm pool as it is: VMs that run already, for creates of exactly this template and size."""

    template: str
    """Name of the template."""
    vcpus: int
    """Virtual CPUs."""
    memory_mib: int
    """Memory, MiB."""
    disk_mib: int
    """Root disk, MiB; 0: the template's size."""
    min_ready: int
    """At least so many wait, over all hosts."""
    max_ready: int
    """At most so many wait; where it is more than `min_ready`, demand decides between the two."""
    demand_window: float
    """The time whose creates are its demand, seconds."""
    wanted: int
    """How many should wait now."""
    ready: int
    """VMs that wait."""
    filling: int
    """VMs that are being started."""
    hits: int
    """Creates served by it."""
    misses: int
    """Creates that found it empty."""


@dataclass(frozen=True)
class Host:
    """A machine that runs sandboxes."""

    id: str
    """Its id."""
    state: HostState
    """Whether it answers; "unknown" is newer than this package."""
    architecture: str
    """"x86_64" or "aarch64"."""
    driver: str
    """"cloud-hypervisor" or "qemu"."""
    hardware_isolated: bool
    """False where VMs are emulated: then a sandbox is no security boundary."""
    vcpus: int
    """Virtual CPUs it offers."""
    memory_mib: int
    """Memory it offers, MiB."""
    memory_used_mib: int
    """Memory that its sandboxes hold, MiB."""
    disk_free_mib: int
    """Free on its disk, MiB."""
    sandboxes: int
    """Sandboxes on it."""
    seen_time: datetime
    """When it last answered."""
    version: str
    """Release of its daemon."""
    edge_url: str | None
    """Origin of its edge, such as "http://10.0.0.5:18049"; None where it has none."""
    snapshots: int
    """Snapshots on it."""
    tombstones: int
    """Deleted sandboxes on it that can still be taken back; a drain leaves them to their time."""
    draining: bool
    """It takes no new sandboxes, and what it has moves to others."""
    obstacle_reason: str | None
    """Why something on it could not be moved the last time that was tried, such as "NO_CAPACITY"; None where nothing is in the
    way. It is tried again by itself."""
    obstacle_message: str | None
    """The same in words."""
    cpu_class: str
    """Which processors it has: a sandbox with memory moves only between hosts of the same class."""


@dataclass(frozen=True)
class JoinToken:
    """A token with which one host may join, once."""

    token: str
    """For `dnah host join`. It is never shown again."""
    expire_time: datetime
    """When it ends."""
