"""The wire's messages as this package's models, and names as the wire's values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar, cast

from protobuf import Enum
from protobuf.wkt import Duration, Timestamp

from ._gen.daytonah.v1 import event_pb, file_pb, monitoring_pb, port_pb, process_pb
from ._signals import signal_name_of
from .file_models import ChangeKind, FileChange, FileInfo, FileType, TextMatch
from .models import ListeningPort, LogEntry, LogSource, Metrics, MetricsSample, SandboxEvent
from .process_models import ProcessExit, ProcessInfo, PtySize, StreamName

E = TypeVar("E", bound=Enum)
_STREAM_NAMES: dict[int, StreamName] = {1: "stdout", 2: "stderr", 3: "pty"}


def datetime_of(time: Timestamp | None) -> datetime:
    return time.to_datetime() if time is not None else datetime.fromtimestamp(0, UTC)


def seconds_of(duration: Duration | None) -> float:
    return duration.to_seconds() if duration is not None else 0.0


def stream_name_of(stream: int) -> StreamName:
    return _STREAM_NAMES.get(stream, "stdout")


def sandbox_event_of(event: event_pb.Event) -> SandboxEvent:
    return SandboxEvent(
        cursor=event.cursor,
        kind=event.kind,
        sandbox_id=event.sandbox_id,
        epoch=event.epoch,
        time=datetime_of(event.time),
        data=dict(event.data),
    )


def process_info_of(process: process_pb.Process) -> ProcessInfo:
    return ProcessInfo(
        id=process.process_id,
        pid=process.pid,
        args=tuple(process.args),
        cwd=process.cwd,
        user=process.user,
        tag=process.tag,
        env=dict(process.env),
        pty=PtySize(process.pty.columns, process.pty.rows) if process.pty is not None else None,
        start_time=datetime_of(process.start_time),
        exited=process_exit_of(process.exited) if process.exited is not None else None,
        end_offset=process.end_offset,
    )


def process_exit_of(exited: process_pb.ProcessExited) -> ProcessExit:
    return ProcessExit(
        exit_code=exited.exit_code,
        signal=signal_name_of(exited.signal),
        timed_out=exited.kind == process_pb.ExitKind.TIMED_OUT,
        out_of_memory=exited.kind == process_pb.ExitKind.OUT_OF_MEMORY,
        run_time=seconds_of(exited.run_time),
    )


def file_info_of(info: file_pb.FileInfo | None) -> FileInfo:
    if info is None:
        raise TypeError("The platform's answer lacks the file's description.")
    return FileInfo(
        path=info.path,
        name=info.name,
        type=cast(FileType, lower_name_of(info.type)),
        size=info.size,
        mode=info.mode,
        owner=info.owner,
        group=info.group,
        uid=info.uid,
        gid=info.gid,
        modify_time=datetime_of(info.modify_time),
        symlink_target=info.symlink_target or None,
        target_type=cast(FileType, lower_name_of(info.target_type)) if info.target_type != file_pb.FileType.UNSPECIFIED else None,
        xattrs=dict(info.xattrs),
    )


def file_change_of(change: file_pb.FileChange) -> FileChange:
    info = file_info_of(change.info) if change.info is not None else None
    return FileChange(cast(ChangeKind, lower_name_of(change.kind)), change.path, info)


def text_match_of(match: file_pb.TextMatch) -> TextMatch:
    return TextMatch(match.path, match.line, match.column, match.text)


def port_of(port: port_pb.Port) -> ListeningPort:
    return ListeningPort(port.port, port.address, port.pid or None, port.command)


def log_entry_of(entry: monitoring_pb.LogEntry) -> LogEntry:
    return LogEntry(
        time=datetime_of(entry.time),
        source=cast(LogSource, lower_name_of(entry.source)),
        label=entry.label,
        text=entry.text,
        process_id=entry.process_id or None,
    )


def metrics_of(answer: monitoring_pb.GetMetricsResponse) -> Metrics:
    if answer.now is None:
        raise TypeError("The platform's answer lacks the metrics.")
    history = tuple(_sample_of(sample) for sample in answer.history)
    return Metrics(_sample_of(answer.now), history, seconds_of(answer.interval))


def _sample_of(sample: monitoring_pb.MetricsSample) -> MetricsSample:
    return MetricsSample(
        time=datetime_of(sample.time),
        cpu_count=sample.cpu_count,
        cpu_used_percent=sample.cpu_used_percent,
        cpu_time=seconds_of(sample.cpu_time),
        memory_total_bytes=sample.memory_total_bytes,
        memory_used_bytes=sample.memory_used_bytes,
        memory_cache_bytes=sample.memory_cache_bytes,
        disk_total_bytes=sample.disk_total_bytes,
        disk_used_bytes=sample.disk_used_bytes,
        network_received_bytes=sample.network_received_bytes,
        network_sent_bytes=sample.network_sent_bytes,
    )


def wire_value_of(kind: type[E], name: str) -> E:
    """SandboxState.RUNNING of "running"."""
    known = {value.name.lower(): value for value in kind if value.name != "UNSPECIFIED"}
    if name not in known:
        raise ValueError(f"There is no {name!r}; it is one of {', '.join(known)}.")
    return known[name]


def lower_name_of(value: object) -> str:
    """ "running" of SandboxState.RUNNING; "unknown" for a value that is newer than this package."""
    name = getattr(value, "name", None)
    return "unknown" if name in (None, "UNSPECIFIED") else str(name).lower()
