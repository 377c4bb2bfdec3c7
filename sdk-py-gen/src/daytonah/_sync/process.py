# Made from ../_async by make_sync.py. Not edited.
"""A program that runs in a sandbox."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Self, TypeAlias

from .._gen.daytonah.v1 import process_pb
from .._output import OutputReader
from .._signals import signal_number_of
from ..errors import CommandFailedError, DaytonahError, LimitError, UnavailableError
from ..process_models import ExecResult, OutputEvent
from .data_plane import DataPlane
from .process_calls import ProcessCalls
from .process_input import ProcessInput
from .resuming import Progress, resuming
from .way import Way

First: TypeAlias = process_pb.ExecRequest | process_pb.AttachProcessRequest


class Process:
    """A program that was started, or attached to. Iterate it for its output as it comes, `wait` for how it ended.

    Where the connection breaks the output goes on from the byte where it was. The program itself runs on without you: keep
    `id` and call `sandbox.attach(id)` later, from anywhere. While it is neither read nor let go of (by `detach`, or at the end
    of a `with` block) it waits, once some buffers are full, as it would at a pipe.

    ```python
    build = sandbox.start("make test")
    for event in build:
        print(event.text, end="")
    print((build.wait()).exit_code)
    ```
    """

    def __init__(self, plane: DataPlane, calls: ProcessCalls, first: First, max_output_bytes: int) -> None:
        """Use `sandbox.start` or `sandbox.attach`."""
        self.id = first.process_id if isinstance(first, process_pb.ExecRequest) else ""
        """Its name in the sandbox. Not the pid."""
        self.pid = 0
        """Its pid in the sandbox."""
        self.existed = True
        """It had been started before, by the same `process_id`; nothing was started now."""
        self.stdin = ProcessInput(calls)
        """Its standard input, where it was started with `stdin=True`; the keyboard of a terminal."""
        self._plane = plane
        self._calls = calls
        self._first = first
        offset = None
        if isinstance(first, process_pb.AttachProcessRequest) and not first.from_end:
            offset = first.from_offset
        self._reader = OutputReader(max_output_bytes, offset)
        self._events = self._follow()
        self._exited: process_pb.ProcessExited | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __iter__(self) -> Iterator[OutputEvent]:
        while self._exited is None:
            event = self._next()
            if event is not None:
                yield event
        for event in self._reader.rest():
            yield event

    @property
    def offset(self) -> int:
        """Offset after the last byte that was read here, for `sandbox.attach(id, from_offset=offset)`."""
        return self._reader.offset or 0

    @property
    def lost_bytes(self) -> int:
        """Bytes that the sandbox no longer had when they were asked for."""
        return self._reader.lost_bytes

    def wait(self, *, check: bool = False) -> ExecResult:
        """Reads to the end. With `check`, an exit code other than 0 raises a CommandFailedError."""
        while self._exited is None:
            self._next()
        result = self._reader.result(self._exited)
        if check and result.exit_code != 0:
            raise CommandFailedError(result)
        return result

    def kill(self, signal: str | int = "SIGTERM") -> None:
        """Sends a signal to it and its children. Raises a NotFoundError where it has ended."""
        self._calls.signal(signal_number_of(signal))

    def resize(self, columns: int, rows: int) -> None:
        """Tells a program on a terminal its window's new size. Raises a ConflictError where it has no terminal."""
        self._calls.resize(columns, rows)

    def detach(self) -> None:
        """Stops reading; the program runs on. Reading may go on later."""
        self._events.close()
        self._events = self._follow()

    def _started(self) -> Self:
        """Waits until it runs."""
        while self.pid == 0 and self._exited is None:
            self._next()
        return self

    def _next(self) -> OutputEvent | None:
        """The next piece of output; None for its start and its end."""
        try:
            return next(self._events)
        except StopIteration:
            return None

    def _follow(self) -> Generator[OutputEvent | None, None]:
        """The events, over as many streams as it takes."""
        return resuming(self._plane, self._attempt, error_of=_unless_output_lost)

    def _attempt(self, way: Way, progress: Progress) -> Generator[OutputEvent | None, None]:
        with closing(self._open(way)) as events:
            for event in events:
                # Not "started": a way that only ever gets this far is no better than a closed one.
                if isinstance(event, process_pb.ProcessStarted):
                    self._on_started(event)
                    yield None
                    continue
                progress()
                if isinstance(event, process_pb.ProcessOutput):
                    piece = self._reader.on_output(event)
                    if piece is not None:
                        yield piece
                elif isinstance(event, process_pb.ProcessExited):
                    self._exited = event
                    return
        raise UnavailableError("The stream of output ended too early.", code="unavailable")

    def _on_started(self, started: process_pb.ProcessStarted) -> None:
        self._calls.found(started.process_id)
        self._reader.on_started(started)
        if self.pid == 0:
            self.id, self.pid, self.existed = started.process_id, started.pid, started.existed
            self.stdin._on_started(started.existed or not isinstance(self._first, process_pb.ExecRequest))

    def _open(self, way: Way) -> Generator[ProcessEvent, None]:
        offset, first = self._reader.offset, self._first
        if offset is None and isinstance(first, process_pb.ExecRequest):
            with closing(self._plane.stream(way.processes.exec, first)) as answers:
                for answer in answers:
                    yield answer.event.value if answer.event is not None else None
            return
        attach = process_pb.AttachProcessRequest(
            process=self._calls.selector, from_offset=offset or 0, from_end=offset is None
        )
        with closing(self._plane.stream(way.processes.attach_process, attach)) as attached:
            for event in attached:
                yield event.event.value if event.event is not None else None


ProcessEvent: TypeAlias = (
    process_pb.ProcessStarted | process_pb.ProcessOutput | process_pb.ProcessExited | process_pb.Heartbeat | None
)


def _unless_output_lost(error: DaytonahError) -> DaytonahError:
    """OUTPUT_LOST means that we read too slowly; what is still there can be had by attaching, as after a broken connection."""
    if isinstance(error, LimitError) and error.reason == "OUTPUT_LOST":
        return UnavailableError(str(error), code="unavailable", reason="OUTPUT_LOST", metadata=error.metadata)
    return error
