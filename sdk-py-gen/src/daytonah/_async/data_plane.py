"""Calls to one sandbox: straight to its host where that is within reach, else through the control plane."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from .._gen.daytonah.v1.file_connect import FileServiceClient
from .._gen.daytonah.v1.process_connect import ProcessServiceClient
from ..errors import UnavailableError
from .connection import REQ, RES, AsyncConnection, AsyncStreamCall, AsyncUnaryCall


class AsyncRoute:
    """One of the two ways."""

    def __init__(self, connection: AsyncConnection, origin: str) -> None:
        self.origin = origin
        self.processes = ProcessServiceClient(
            origin, send_compression=None, accept_compression=[], http_client=connection.http
        )
        self.files = FileServiceClient(
            origin, send_compression=None, accept_compression=[], http_client=connection.http
        )


class AsyncDataPlane:
    def __init__(
        self, connection: AsyncConnection, sandbox_id: str, access_token: str | None, direct_url: str | None
    ) -> None:
        self.connection = connection
        self.headers = {**connection.headers(access_token), "sandbox-id": sandbox_id}
        self._relayed = AsyncRoute(connection, connection.options.url)
        # A host takes the sandbox's own token alone.
        use_direct = connection.options.direct and direct_url is not None and access_token is not None
        self._direct = AsyncRoute(connection, direct_url) if use_direct and direct_url is not None else None

    async def unary(
        self,
        pick: Callable[[AsyncRoute], AsyncUnaryCall[REQ, RES]],
        request: REQ,
        *,
        repeatable: bool,
        timeout: float | None = None,
    ) -> RES:
        route = await self._route()
        try:
            return await self.connection.unary(
                pick(route),
                request,
                repeatable=repeatable and route is self._relayed,
                headers=self.headers,
                timeout=timeout,
            )
        except UnavailableError as error:
            if not self._leave(route, error) or not repeatable:
                raise
        return await self.connection.unary(
            pick(self._relayed), request, repeatable=True, headers=self.headers, timeout=timeout
        )

    async def stream(
        self, pick: Callable[[AsyncRoute], AsyncStreamCall[REQ, RES]], request: REQ
    ) -> AsyncGenerator[RES, None]:
        route = await self._route()
        try:
            async with aclosing(self.connection.stream(pick(route), request, self.headers)) as answers:
                async for answer in answers:
                    yield answer
        except UnavailableError as error:
            self._leave(route, error)
            raise

    async def _route(self) -> AsyncRoute:
        if self._direct is not None and await self.connection.is_reachable(self._direct.origin):
            return self._direct
        return self._relayed

    def _leave(self, route: AsyncRoute, error: UnavailableError) -> bool:
        """Whether it was the direct way that failed, not something behind it: that would come with a reason."""
        if route is self._relayed or error.reason is not None:
            return False
        self.connection.give_up(route.origin)
        return True
