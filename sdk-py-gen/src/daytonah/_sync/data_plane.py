# Made from ../_async by make_sync.py. Not edited.
"""Calls to one sandbox's processes, files, ports, metrics and logs: straight to its host's edge where that can be reached,
else through the control plane. They name the sandbox in a header, so that no relay has to read a body."""

from __future__ import annotations

from collections.abc import Generator, Callable

from .._direct import edge_of, edge_silent, has_moved, no_direct_path, was_never_sent
from .._waits import SyncLock, SyncWork
from ..errors import DaytonahError, DeadlineError
from .connection import REQ, RES, Connection, StreamCall, UnaryCall
from .way import Way


class DataPlane:
    def __init__(
        self, connection: Connection, sandbox_id: str, access_token: str | None, direct_url: str | None
    ) -> None:
        self.connection = connection
        self.sandbox_id = sandbox_id
        self.access_token = access_token
        """The sandbox's own credential; the API key is used where None."""
        self.direct_url = direct_url
        """Origin of its host's edge, where it is known."""
        self._rotation = SyncLock()
        # The look at the edge is over before the first call, as a rule.
        edge = self._edge()
        if connection.options.direct == "auto" and edge is not None:
            connection.direct_ways.usable(edge)

    @property
    def headers(self) -> dict[str, str]:
        return {**self.connection.headers(self.access_token), "sandbox-id": self.sandbox_id}

    def change_token(self, rotate: SyncWork[str]) -> str:
        """Takes a new token from the platform, which ends what came with the old one."""
        with self._rotation:
            self.access_token = rotate()
            return self.access_token

    def way(self) -> Way:
        """The best way now. An edge takes the sandbox's token alone, never an API key."""
        direct_ways, control_plane = self.connection.direct_ways, self.connection.control_plane
        direct, edge = self.connection.options.direct, self._edge()
        if direct == "never" or (direct == "auto" and edge is None):
            return control_plane
        if edge is None:
            raise no_direct_path(self.sandbox_id)
        if direct == "auto":
            return direct_ways.usable(edge) or control_plane
        way = direct_ways.awaited(edge)
        if way is None:
            raise edge_silent(edge)
        return way

    def unary(
        self,
        pick: Callable[[Way], UnaryCall[REQ, RES]],
        request: REQ,
        *,
        repeatable: bool,
        timeout: float | None = None,
    ) -> RES:
        """Makes a call that has one answer."""

        def attempt() -> RES:
            way = self.way()
            token = self.access_token
            try:
                return self.connection.call(pick(way), request, self.headers, timeout)
            except DaytonahError as error:
                if not self.makes_anew(way, error, token, repeatable):
                    raise
            return self.connection.call(pick(self.way()), request, self.headers, timeout)

        return self.connection.retrying(attempt, repeatable=repeatable)

    def stream(self, call: StreamCall[REQ, RES], request: REQ) -> Generator[RES, None]:
        """Makes one call that answers bit by bit, with heartbeats; see `resuming`."""
        return self.connection.stream(call, request, self.headers)

    def pages(self, call: StreamCall[REQ, RES], request: REQ) -> Generator[RES, None]:
        """Makes one call that answers bit by bit, and may be busy in silence for long."""
        return self.connection.stream(call, request, self.headers, longest_silence=3600.0)

    def makes_anew(self, way: Way, error: DaytonahError, token: str | None, repeatable: bool) -> bool:
        """Whether a call that failed is to be made again at once: with another token, or on another way."""
        if error.reason == "CREDENTIAL_INVALID":
            with self._rotation:
                pass  # one that is under way is over
            if self.access_token != token:
                return True
        return self._leaves(way, error, repeatable)

    def _leaves(self, way: Way, error: DaytonahError, repeatable: bool) -> bool:
        direct_ways = self.connection.direct_ways
        moved = has_moved(error)
        if not direct_ways.includes(way) or isinstance(error, DeadlineError):
            return False
        if error.reason is not None and not moved:
            return False
        if not moved:
            direct_ways.failed(way)
        if self.connection.options.direct != "auto":
            return False
        if moved:
            self.direct_url = None  # this sandbox's alone; the next description of it tells the new one
        return repeatable or was_never_sent(error)

    def _edge(self) -> str | None:
        return edge_of(self.connection.options.url, self.access_token, self.direct_url)
