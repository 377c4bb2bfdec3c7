# Made from ../_async by make_sync.py. Not edited.
"""Calls to one sandbox: straight to its host where that is within reach, else through the control plane."""

from __future__ import annotations

from collections.abc import Generator, Callable
from contextlib import closing

from .._gen.daytonah.v1.file_connect import FileServiceClientSync
from .._gen.daytonah.v1.process_connect import ProcessServiceClientSync
from ..errors import UnavailableError
from .connection import REQ, RES, Connection, StreamCall, UnaryCall


class Route:
    """One of the two ways."""

    def __init__(self, connection: Connection, origin: str) -> None:
        self.origin = origin
        self.processes = ProcessServiceClientSync(
            origin, send_compression=None, accept_compression=[], http_client=connection.http
        )
        self.files = FileServiceClientSync(
            origin, send_compression=None, accept_compression=[], http_client=connection.http
        )


class DataPlane:
    def __init__(
        self, connection: Connection, sandbox_id: str, access_token: str | None, direct_url: str | None
    ) -> None:
        self.connection = connection
        self.headers = {**connection.headers(access_token), "sandbox-id": sandbox_id}
        self._relayed = Route(connection, connection.options.url)
        # A host takes the sandbox's own token alone.
        use_direct = connection.options.direct and direct_url is not None and access_token is not None
        self._direct = Route(connection, direct_url) if use_direct and direct_url is not None else None

    def unary(
        self,
        pick: Callable[[Route], UnaryCall[REQ, RES]],
        request: REQ,
        *,
        repeatable: bool,
        timeout: float | None = None,
    ) -> RES:
        route = self._route()
        try:
            return self.connection.unary(
                pick(route),
                request,
                repeatable=repeatable and route is self._relayed,
                headers=self.headers,
                timeout=timeout,
            )
        except UnavailableError as error:
            if not self._leave(route, error) or not repeatable:
                raise
        return self.connection.unary(
            pick(self._relayed), request, repeatable=True, headers=self.headers, timeout=timeout
        )

    def stream(
        self, pick: Callable[[Route], StreamCall[REQ, RES]], request: REQ
    ) -> Generator[RES, None]:
        route = self._route()
        try:
            with closing(self.connection.stream(pick(route), request, self.headers)) as answers:
                for answer in answers:
                    yield answer
        except UnavailableError as error:
            self._leave(route, error)
            raise

    def _route(self) -> Route:
        if self._direct is not None and self.connection.is_reachable(self._direct.origin):
            return self._direct
        return self._relayed

    def _leave(self, route: Route, error: UnavailableError) -> bool:
        """Whether it was the direct way that failed, not something behind it: that would come with a reason."""
        if route is self._relayed or error.reason is not None:
            return False
        self.connection.give_up(route.origin)
        return True
