# Made from ../_async by make_sync.py. Not edited.
"""Lines of a sandbox's logs. Where a connection breaks, the next one goes on after the last line of each log."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing

from .._from_wire import log_entry_of, wire_value_of
from .._gen.daytonah.v1 import monitoring_pb
from ..errors import UnavailableError
from ..models import LogEntry
from .data_plane import DataPlane
from .resuming import Progress, resuming
from .way import Way


_MAX_POSITIONS = 10_000
"""More than a sandbox keeps logs of processes that ended."""


class _Positions:
    """How far each log was read, the latest last."""

    def __init__(self) -> None:
        self._by_log: dict[str, monitoring_pb.LogPosition] = {}

    def all(self) -> list[monitoring_pb.LogPosition]:
        return [*self._by_log.values()]

    def note(self, position: monitoring_pb.LogPosition | None) -> None:
        if position is None:
            return
        self._by_log.pop(position.log, None)
        self._by_log[position.log] = position
        if len(self._by_log) > _MAX_POSITIONS:
            del self._by_log[next(iter(self._by_log))]

    def leave_out(self, position: monitoring_pb.LogPosition) -> None:
        """Where nothing later of its log was given."""
        if position.log not in self._by_log:
            self.note(position)


def read_logs(
    plane: DataPlane, sources: Iterable[str], follow: bool, tail: int | None
) -> Generator[LogEntry, None]:
    wanted = [wire_value_of(monitoring_pb.LogSource, source) for source in sources]
    positions = _Positions()
    tail_told = False

    def attempt(way: Way, progress: Progress) -> Generator[LogEntry, None]:
        nonlocal tail_told
        request = monitoring_pb.ReadLogsRequest(
            sources=wanted, follow=follow, tail=None if tail_told else tail, after=positions.all()
        )
        with closing(plane.stream(way.monitoring.read_logs, request)) as answers:
            for answer in answers:
                progress()
                event = answer.event and answer.event.value
                if isinstance(event, monitoring_pb.LogBacklogEnd):
                    for position in event.positions:
                        positions.leave_out(position)
                    tail_told = True  # the lines that come later may be more
                elif isinstance(event, monitoring_pb.LogEntry):
                    positions.note(event.position)
                    yield log_entry_of(event)
        if follow:
            raise UnavailableError("The stream of logs ended too early.", code="unavailable")

    return resuming(plane, attempt)
