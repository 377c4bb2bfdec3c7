# Made from ../_async by make_sync.py. Not edited.
"""Lines of a sandbox's logs. Where a connection breaks, the next one skips what was given already."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace

from protobuf.wkt import Timestamp

from .._from_wire import log_entry_of, wire_value_of
from .._gen.daytonah.v1 import monitoring_pb
from ..errors import UnavailableError
from ..models import LogEntry
from .data_plane import DataPlane
from .resuming import Progress, resuming
from .way import Way


@dataclass
class _LastGiven:
    """The last line of a source that was given: its time, and how many lines of that time were."""

    time: int
    count: int


def read_logs(
    plane: DataPlane, sources: Iterable[str], follow: bool, tail: int | None
) -> Generator[LogEntry, None]:
    wanted = [wire_value_of(monitoring_pb.LogSource, source) for source in sources]
    given: dict[int, _LastGiven] = {}

    def attempt(way: Way, progress: Progress) -> Generator[LogEntry, None]:
        # The lines that came meanwhile may be more than `tail`.
        request = monitoring_pb.ReadLogsRequest(sources=wanted, follow=follow, tail=None if given else tail)
        skip = {source: replace(last) for source, last in given.items()}
        with closing(plane.stream(way.monitoring.read_logs, request)) as answers:
            for answer in answers:
                progress()
                entry = answer.event and answer.event.value
                if not isinstance(entry, monitoring_pb.LogEntry) or _was_given(skip.get(entry.source), entry):
                    continue
                _remember(given, entry)
                yield log_entry_of(entry)
        if follow:
            raise UnavailableError("The stream of logs ended too early.", code="unavailable")

    return resuming(plane, attempt)


def _remember(given: dict[int, _LastGiven], entry: monitoring_pb.LogEntry) -> None:
    at = _nanoseconds_of(entry.time)
    last = given.get(entry.source)
    if last is not None and last.time == at:
        last.count += 1
    else:
        given[entry.source] = _LastGiven(at, 1)


def _was_given(skip: _LastGiven | None, entry: monitoring_pb.LogEntry) -> bool:
    """Counts `skip` down on the way."""
    at = _nanoseconds_of(entry.time)
    if skip is None or at > skip.time:
        return False
    if at < skip.time:
        return True
    skip.count -= 1
    return skip.count >= 0


def _nanoseconds_of(time: Timestamp | None) -> int:
    return time.seconds * 1_000_000_000 + time.nanos if time is not None else 0
