"""What happens on the platform, over as many calls as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from .._from_wire import sandbox_event_of
from .._gen.daytonah.v1 import event_pb
from ..errors import DaytonahError, UnavailableError
from ..models import SandboxEvent
from .connection import AsyncConnection


class AsyncEvents:
    """What happens to the sandboxes and snapshots of your organization; at `client.events`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def watch(self, *, cursor: str = "", sandbox_id: str = "") -> AsyncGenerator[SandboxEvent, None]:
        """Each event as it happens; never ends by itself. Where the connection breaks it goes on behind your back: no event is
        left out, none comes twice.

        Args:
            cursor: Of the last event you have; "0" for all that are kept, 7 days; from now on where empty.
            sandbox_id: Only those of this sandbox.

        Raises:
            InvalidArgumentError: CURSOR_INVALID, where the cursor lies before what is kept.
        """
        return self._follow(cursor, sandbox_id, stays=True)

    def list(self, *, cursor: str = "0", sandbox_id: str = "") -> AsyncGenerator[SandboxEvent, None]:
        """The events that are kept, oldest first.

        Args:
            cursor: Only those after this one.
            sandbox_id: Only those of this sandbox.
        """
        return self._follow(cursor, sandbox_id, stays=False)

    async def _follow(self, cursor: str, sandbox_id: str, *, stays: bool) -> AsyncGenerator[SandboxEvent, None]:
        connection = self._connection
        failures = 0
        while True:
            request = event_pb.WatchEventsRequest(cursor=cursor, sandbox_id=sandbox_id)
            try:
                answers = connection.stream(connection.events.watch_events, request, connection.headers(None))
                async with aclosing(answers) as messages:
                    async for answer in messages:
                        failures = 0
                        message = answer.message and answer.message.value
                        if message is not None:
                            cursor = message.cursor
                        if isinstance(message, event_pb.Event):
                            yield sandbox_event_of(message)
                        elif message is not None and not stays:
                            return  # the first heartbeat says that all there was is told
                raise UnavailableError("The stream of events ended too early.", code="unavailable")
            except DaytonahError as error:
                failures += 1
                await connection.wait_to_retry(failures, error)
