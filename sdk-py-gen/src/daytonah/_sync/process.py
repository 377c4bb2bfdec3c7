# Made from ../_async by make_sync.py. Not edited.
"""A program that runs in a sandbox."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Self

from .._gen.daytonah.v1 import process_pb
from .._output import OutputReader
from .._selector import selector_of
from ..errors import CommandFailedError, DaytonahError, LimitError, UnavailableError
from ..models import ExecResult, OutputEvent
from .data_plane import DataPlane
from .process_input import ProcessInput

_SIGKILL = 9


class Process:
    """A program that was started, or attached to. Iterate it for its output as it comes, `wait` for how it ended.

    Where the connection breaks the output goes on from the byte where it was. The program itself runs on without you: keep
    `id` and call `sandbox.attach(id)` later, from anywhere.

    ```python
    build = sandbox.start("make test")
    for event in build:
        print(event.text, end="")
    print((build.wait()).exit_code)
    ```
    """

    def __init__(
        self,
        plane: DataPlane,
        process_id: str,
        first: process_pb.ExecRequest | process_pb.AttachProcessRequest,
        max_output_bytes: int,
    ) -> None:
        self.id = process_id
        """Its name in the sandbox."""
        self.pid = 0
        """pid in the sandbox."""
        self.stdin = ProcessInput(plane, process_id)
        """Its standard input, where it was started with `stdin=True`; the keyboard of a terminal."""
        self._plane = plane
        self._first = first
        self._reader = OutputReader(max_output_bytes)
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

    def wait(self, *, check: bool = False) -> ExecResult:
        """Reads to the end. With `check`, an exit code other than 0 raises a CommandFailedError."""
        while self._exited is None:
            self._next()
        result = self._reader.result(self._exited)
        if check and result.exit_code != 0:
            raise CommandFailedError(result)
        return result

    def send_signal(self, signal: int, *, only_process: bool = False) -> None:
        """Sends a Linux signal to its process group (a terminal's foreground group), or to the process alone."""
        request = process_pb.SignalProcessRequest(
            process=selector_of(self.id), signal=signal, only_process=only_process
        )
        self._plane.unary(lambda route: route.processes.signal_process, request, repeatable=False)

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        self.send_signal(_SIGKILL)

    def detach(self) -> None:
        """Stops reading; the program runs on. Reading may go on later."""
        self._events.close()
        self._events = self._follow()

    def started(self) -> Self:
        """Waits until it runs."""
        if self._reader.offset is None:
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
        failures = 0
        while True:
            try:
                with closing(self._open()) as events:
                    for event in events:
                        match event:
                            case process_pb.ProcessStarted():
                                self.pid = event.pid
                                self.stdin.on_started(event.existed)
                                self._reader.on_started(event)
                                yield None
                            case process_pb.ProcessOutput():
                                failures = 0
                                if (piece := self._reader.on_output(event)) is not None:
                                    yield piece
                            case process_pb.ProcessExited():
                                self._exited = event
                                return
                            case _:
                                failures = 0
                raise UnavailableError("The stream of output ended too early.", code="unavailable")
            except DaytonahError as error:
                failures += 1
                self._plane.connection.wait_to_retry(failures, _unless_output_lost(error))

    def _open(self) -> Generator[ProcessEvent, None]:
        offset = self._reader.offset
        if offset is None and isinstance(self._first, process_pb.ExecRequest):
            with closing(self._plane.stream(lambda route: route.processes.exec, self._first)) as answers:
                for answer in answers:
                    yield answer.event.value if answer.event is not None else None
            return
        attach = self._first
        if offset is not None or isinstance(attach, process_pb.ExecRequest):
            attach = process_pb.AttachProcessRequest(process=selector_of(self.id), from_offset=offset or 0)
        with closing(self._plane.stream(lambda route: route.processes.attach_process, attach)) as attached:
            for event in attached:
                yield event.event.value if event.event is not None else None


ProcessEvent = (
    process_pb.ProcessStarted | process_pb.ProcessOutput | process_pb.ProcessExited | process_pb.Heartbeat | None
)


def _unless_output_lost(error: DaytonahError) -> DaytonahError:
    """OUTPUT_LOST means that we read too slowly; what is still there can be had by attaching, as after a broken connection."""
    if isinstance(error, LimitError) and error.reason == "OUTPUT_LOST":
        return UnavailableError(str(error), code="unavailable", metadata=error.metadata)
    return error
