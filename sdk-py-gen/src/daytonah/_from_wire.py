"""The wire's messages as this package's models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from protobuf.wkt import Timestamp

from ._gen.daytonah.v1 import file_pb, process_pb, sandbox_pb
from .models import ChangeKind, FileChange, FileInfo, FileType, ProcessInfo, SandboxInfo, StreamName, TextMatch


_STREAM_NAMES: dict[int, StreamName] = {1: "stdout", 2: "stderr", 3: "pty"}


def datetime_of(time: Timestamp | None) -> datetime:
    return time.to_datetime() if time is not None else datetime.fromtimestamp(0, UTC)


def stream_name_of(stream: int) -> StreamName:
    return _STREAM_NAMES.get(stream, "stdout")


def sandbox_info_of(sandbox: sandbox_pb.Sandbox | None) -> SandboxInfo:
    if sandbox is None:
        raise TypeError("The platform's answer lacks the sandbox.")
    resources = sandbox.resources or sandbox_pb.Resources()
    return SandboxInfo(
        id=sandbox.id,
        state=_lower_name(sandbox.state),
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
    )


def process_info_of(process: process_pb.Process) -> ProcessInfo:
    return ProcessInfo(
        id=process.process_id,
        pid=process.pid,
        args=tuple(process.args),
        cwd=process.cwd,
        user=process.user,
        tag=process.tag,
        start_time=datetime_of(process.start_time),
        exit_code=process.exited.exit_code if process.exited is not None else None,
        end_offset=process.end_offset,
    )


def file_info_of(info: file_pb.FileInfo | None) -> FileInfo:
    if info is None:
        raise TypeError("The platform's answer lacks the file's description.")
    return FileInfo(
        path=info.path,
        name=info.name,
        type=cast(FileType, _lower_name(info.type)),
        size=info.size,
        mode=info.mode,
        owner=info.owner,
        group=info.group,
        uid=info.uid,
        gid=info.gid,
        modify_time=datetime_of(info.modify_time),
        symlink_target=info.symlink_target or None,
        xattrs=dict(info.xattrs),
    )


def file_change_of(change: file_pb.FileChange) -> FileChange:
    info = file_info_of(change.info) if change.info is not None else None
    return FileChange(cast(ChangeKind, _lower_name(change.kind)), change.path, info)


def text_match_of(match: file_pb.TextMatch) -> TextMatch:
    return TextMatch(match.path, match.line, match.column, match.text)


def _lower_name(value: object) -> str:
    """ "running" of SandboxState.RUNNING; the number of a value that is newer than this package."""
    return str(getattr(value, "name", None) or value).lower()
