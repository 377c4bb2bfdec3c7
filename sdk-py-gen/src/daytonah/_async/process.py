"""A program that runs in a sandbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Self

from .._gen.daytonah.v1 import process_pb
from .._output import OutputReader
from .._selector import selector_of
from ..errors import CommandFailedError, DaytonahError, LimitError, UnavailableError
from ..models import ExecResult, OutputEvent
from .data_plane import AsyncDataPlane
from .process_input import AsyncProcessInput

_SIGKILL = 9


class AsyncProcess:
    """A program that was started, or attached to. Iterate it for its output as it comes, `wait` for how it ended.

    Where the connection breaks the output goes on from the byte where it was. The program itself runs on without you: keep
    `id` and call `sandbox.attach(id)` later, from anywhere.

    ```python
    build = await sandbox.start("make test")
    async for event in build:
        print(event.text, end="")
    print((await build.wait()).exit_code)
    ```
    """

    def __init__(
        self,
        plane: AsyncDataPlane,
        process_id: str,
        first: process_pb.ExecRequest | process_pb.AttachProcessRequest,
        max_output_bytes: int,
    ) -> None:
        self.id = process_id
        """Its name in the sandbox."""
        self.pid = 0
        """pid in the sandbox."""
        self.stdin = AsyncProcessInput(plane, process_id)
        """Its standard input, where it was started with `stdin=True`; the keyboard of a terminal."""
        self._plane = plane
        self._first = first
        self._reader = OutputReader(max_output_bytes)
        self._events = self._follow()
        self._exited: process_pb.ProcessExited | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.detach()

    async def __aiter__(self) -> AsyncIterator[OutputEvent]:
        while self._exited is None:
            event = await self._next()
            if event is not None:
                yield event
        for event in self._reader.rest():
            yield event

    async def wait(self, *, check: bool = False) -> ExecResult:
        """Reads to the end. With `check`, an exit code other than 0 raises a CommandFailedError."""
        while self._exited is None:
            await self._next()
        result = self._reader.result(self._exited)
        if check and result.exit_code != 0:
            raise CommandFailedError(result)
        return result

    async def send_signal(self, signal: int, *, only_process: bool = False) -> None:
        """Sends a Linux signal to its process group (a terminal's foreground group), or to the process alone."""
        request = process_pb.SignalProcessRequest(
            process=selector_of(self.id), signal=signal, only_process=only_process
        )
        await self._plane.unary(lambda route: route.processes.signal_process, request, repeatable=False)

    async def kill(self) -> None:
        """Ends it with SIGKILL."""
        await self.send_signal(_SIGKILL)

    async def detach(self) -> None:
        """Stops reading; the program runs on. Reading may go on later."""
        await self._events.aclose()
        self._events = self._follow()

    async def started(self) -> Self:
        """Waits until it runs."""
        if self._reader.offset is None:
            await self._next()
        return self

    async def _next(self) -> OutputEvent | None:
        """The next piece of output; None for its start and its end."""
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            return None

    async def _follow(self) -> AsyncGenerator[OutputEvent | None, None]:
        """The events, over as many streams as it takes."""
        failures = 0
        while True:
            try:
                async with aclosing(self._open()) as events:
                    async for event in events:
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
                await self._plane.connection.wait_to_retry(failures, _unless_output_lost(error))

    async def _open(self) -> AsyncGenerator[ProcessEvent, None]:
        offset = self._reader.offset
        if offset is None and isinstance(self._first, process_pb.ExecRequest):
            async with aclosing(self._plane.stream(lambda route: route.processes.exec, self._first)) as answers:
                async for answer in answers:
                    yield answer.event.value if answer.event is not None else None
            return
        attach = self._first
        if offset is not None or isinstance(attach, process_pb.ExecRequest):
            attach = process_pb.AttachProcessRequest(process=selector_of(self.id), from_offset=offset or 0)
        async with aclosing(self._plane.stream(lambda route: route.processes.attach_process, attach)) as attached:
            async for event in attached:
                yield event.event.value if event.event is not None else None


ProcessEvent = (
    process_pb.ProcessStarted | process_pb.ProcessOutput | process_pb.ProcessExited | process_pb.Heartbeat | None
)


def _unless_output_lost(error: DaytonahError) -> DaytonahError:
    """OUTPUT_LOST means that we read too slowly; what is still there can be had by attaching, as after a broken connection."""
    if isinstance(error, LimitError) and error.reason == "OUTPUT_LOST":
        return UnavailableError(str(error), code="unavailable", metadata=error.metadata)
    return error
