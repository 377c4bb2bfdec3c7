"""What happens to a sandbox as a whole, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

EndAction = Literal["pause", "delete"]
SnapshotState = Literal["creating", "ready", "deleting", "unknown"]


@dataclass(frozen=True)
class Lifecycle:
    """When a sandbox ends or pauses by itself. Its host keeps these times, also while the control plane is away.

    ```python
    Sandbox.create(lifecycle=Lifecycle(idle_timeout=600, auto_resume=True))
    ```
    """

    timeout: float | None = None
    """From create, resume or the last `set_timeout` until its end, seconds, 1 s to 366 days; it has no end where None."""
    on_timeout: EndAction = "pause"
    """What happens then: "pause" or "delete"."""
    idle_timeout: float | None = None
    """Pauses it after no call and no connection to it was open for this long, seconds, 1 s to 366 days; never where None.
    Programs that run in it without anyone connected don't count."""
    auto_resume: bool = False
    """A call or connection to the paused sandbox resumes it first."""


@dataclass(frozen=True)
class Snapshot:
    """One instant of a sandbox, memory and disk, kept for as long as it is wanted."""

    id: str
    """"snap_" and 20 of [a-z0-9]; what `Sandbox.create(snapshot_id=…)` and `sandbox.roll_back` take."""
    name: str
    """Your name for it; may be empty, and others may have the same."""
    sandbox_id: str
    """The sandbox it was taken of; it may be gone by now."""
    state: SnapshotState
    """"creating", "ready" or "deleting"; "unknown" is newer than this package."""
    template: str
    """Name of the sandbox's template."""
    vcpus: int
    """Virtual CPUs of sandboxes made from it."""
    memory_mib: int
    """Memory of them, MiB."""
    disk_mib: int
    """Root disk of them, MiB."""
    metadata: Mapping[str, str]
    """Your labels."""
    create_time: datetime
    """When it was asked for."""
    size_bytes: int
    """What it takes on its host's disk, as far as nothing else shares it."""
    memory_kept: bool
    """Whether memory is in it; without, sandboxes made from it start from the disk."""
    host_id: str
    """Host that has it."""
    template_name: str | None
    """The template that stands on it; None where none does. Delete that first."""


@dataclass(frozen=True)
class Relative:
    """A relative of a sandbox."""

    sandbox_id: str
    """Its id."""
    state: str
    """Where it is in its life; it may be "deleted"."""
    snapshot_id: str | None
    """The snapshot it was made from; None for a fork."""
    create_time: datetime
    """When it was made."""


@dataclass(frozen=True)
class Lineage:
    """Where a sandbox comes from, and what was made of it."""

    ancestors: Sequence[Relative]
    """Its parent, the parent's parent and so on, 100 at most."""
    children: Sequence[Relative]
    """Forks of it and sandboxes made from its snapshots, oldest first, 1,000 at most."""
