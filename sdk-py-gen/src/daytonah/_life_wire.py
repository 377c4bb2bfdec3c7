"""Sandboxes and what is kept of them: the wire's messages as this package's models, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from protobuf.wkt import Duration

from ._from_wire import datetime_of, lower_name_of, seconds_of, wire_value_of
from ._gen.daytonah.v1 import sandbox_pb, snapshot_pb
from .life_models import Lifecycle, Lineage, Relative, Snapshot, SnapshotState
from .models import SandboxInfo, StageTime


def sandbox_info_of(sandbox: sandbox_pb.Sandbox | None) -> SandboxInfo:
    if sandbox is None:
        raise TypeError("The platform's answer lacks the sandbox.")
    resources = sandbox.resources or sandbox_pb.Resources()
    return SandboxInfo(
        id=sandbox.id,
        state=lower_name_of(sandbox.state),
        template=sandbox.template,
        vcpus=resources.vcpus,
        memory_mib=resources.memory_mib,
        disk_mib=resources.disk_mib,
        metadata=dict(sandbox.metadata),
        create_time=datetime_of(sandbox.create_time),
        state_time=datetime_of(sandbox.state_time),
        epoch=sandbox.epoch,
        failure_reason=sandbox.failure.reason if sandbox.failure is not None else None,
        failure_message=sandbox.failure.message if sandbox.failure is not None else None,
        host_id=sandbox.host_id or None,
        hardware_isolated=sandbox.hardware_isolated,
        direct_url=sandbox.direct_url or None,
        public_ports=tuple(sandbox.public_ports),
        lifecycle=_lifecycle_of(sandbox.lifecycle or sandbox_pb.Lifecycle()),
        end_time=datetime_of(sandbox.end_time) if sandbox.end_time is not None else None,
        parent_id=sandbox.parent_id or None,
        snapshot_id=sandbox.snapshot_id or None,
        memory_kept=sandbox.memory_kept,
        purge_time=datetime_of(sandbox.purge_time) if sandbox.purge_time is not None else None,
    )


def _lifecycle_of(lifecycle: sandbox_pb.Lifecycle) -> Lifecycle:
    return Lifecycle(
        timeout=lifecycle.timeout.to_seconds() if lifecycle.timeout is not None else None,
        on_timeout="delete" if lifecycle.on_timeout == sandbox_pb.EndAction.DELETE else "pause",
        idle_timeout=lifecycle.idle_timeout.to_seconds() if lifecycle.idle_timeout is not None else None,
        auto_resume=lifecycle.auto_resume,
    )


def lifecycle_to_wire(lifecycle: Lifecycle | None) -> sandbox_pb.Lifecycle | None:
    if lifecycle is None:
        return None
    return sandbox_pb.Lifecycle(
        timeout=duration_of(lifecycle.timeout),
        on_timeout=wire_value_of(sandbox_pb.EndAction, lifecycle.on_timeout),
        idle_timeout=duration_of(lifecycle.idle_timeout),
        auto_resume=lifecycle.auto_resume,
    )


def duration_of(seconds: float | None) -> Duration | None:
    return Duration.from_seconds(seconds) if seconds is not None else None


def stage_times_of(stages: Iterable[sandbox_pb.StageTime]) -> Sequence[StageTime]:
    return tuple(StageTime(stage.stage, seconds_of(stage.duration)) for stage in stages)


def snapshot_of(snapshot: snapshot_pb.Snapshot | None) -> Snapshot:
    if snapshot is None:
        raise TypeError("The platform's answer lacks the snapshot.")
    resources = snapshot.resources or sandbox_pb.Resources()
    return Snapshot(
        id=snapshot.id,
        name=snapshot.name,
        sandbox_id=snapshot.sandbox_id,
        state=cast(SnapshotState, lower_name_of(snapshot.state)),
        template=snapshot.template,
        vcpus=resources.vcpus,
        memory_mib=resources.memory_mib,
        disk_mib=resources.disk_mib,
        metadata=dict(snapshot.metadata),
        create_time=datetime_of(snapshot.create_time),
        size_bytes=snapshot.size_bytes,
        memory_kept=snapshot.memory_kept,
        host_id=snapshot.host_id,
        template_name=snapshot.template_name or None,
    )


def lineage_of(answer: sandbox_pb.GetSandboxLineageResponse) -> Lineage:
    return Lineage(tuple(map(_relative_of, answer.ancestors)), tuple(map(_relative_of, answer.children)))


def _relative_of(entry: sandbox_pb.LineageEntry) -> Relative:
    return Relative(entry.sandbox_id, lower_name_of(entry.state), entry.snapshot_id or None, datetime_of(entry.create_time))
