"""The calls about one process, by whatever it is named; once it was found, by its id."""

from __future__ import annotations

from .._exec_request import selector_of
from .._gen.daytonah.v1 import process_pb
from .._waits import async_sleep
from ..errors import DaytonahError
from .data_plane import AsyncDataPlane

_SIGKILL = 9


class AsyncProcessCalls:
    def __init__(self, plane: AsyncDataPlane, selector: process_pb.ProcessSelector) -> None:
        self.plane = plane
        self.selector = selector

    def found(self, process_id: str) -> None:
        """A pid and a tag can be another process's later."""
        self.selector = selector_of(process_id)

    async def send_input(self, offset: int, data: bytes, close: bool) -> int:
        """Sends one numbered piece of input; answers with the offset of the next one."""
        request = process_pb.SendInputRequest(process=self.selector, offset=offset, data=data, close=close)
        answer = await self.plane.unary(lambda way: way.processes.send_input, request, repeatable=True)
        return answer.next_offset

    async def signal(self, signal: int, only_process: bool = False, timeout: float | None = None) -> None:
        request = process_pb.SignalProcessRequest(process=self.selector, signal=signal, only_process=only_process)
        await self.plane.unary(
            lambda way: way.processes.signal_process, request, repeatable=False, timeout=timeout
        )

    async def resize(self, columns: int, rows: int) -> None:
        size = process_pb.PtySize(columns=columns, rows=rows)
        request = process_pb.ResizePtyRequest(process=self.selector, size=size)
        await self.plane.unary(lambda way: way.processes.resize_pty, request, repeatable=True)

    async def end(self) -> None:
        """Kills it where nobody will read it any more. Best effort: the caller is on the way out."""
        # The start may still be on its way.
        for _ in range(3):
            try:
                return await self.signal(_SIGKILL, timeout=2.0)
            except DaytonahError as error:
                if error.reason != "PROCESS_NOT_FOUND":
                    return
            await async_sleep(0.1)
