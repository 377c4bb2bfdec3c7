"""The RPC clients of one platform, and what every call shares: credential, deadline, retries and typed errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from itertools import count
from typing import Protocol, TypeVar

from connectrpc.errors import ConnectError

from .._convert_error import convert_error
from .._gen.daytonah.v1.event_connect import EventServiceClient
from .._gen.daytonah.v1.host_connect import HostServiceClient
from .._gen.daytonah.v1.pool_connect import PoolServiceClient
from .._gen.daytonah.v1.sandbox_connect import SandboxServiceClient
from .._gen.daytonah.v1.snapshot_connect import SnapshotServiceClient
from .._gen.daytonah.v1.template_connect import TemplateServiceClient
from .._options import Options, delay_before_retry, was_refused
from .._waits import AsyncWork, async_http, async_next, async_sleep
from ..errors import DaytonahError, UnavailableError
from .direct_ways import AsyncDirectWays
from .way import AsyncWay

_LONGEST_SILENCE = 60.0
"""The sandbox sends a heartbeat every 15 s where it has nothing to say."""
REQ = TypeVar("REQ", contravariant=True)
RES = TypeVar("RES", covariant=True)


class AsyncUnaryCall(Protocol[REQ, RES]):
    async def __call__(
        self, request: REQ, *, headers: Mapping[str, str] | None = None, timeout_ms: int | None = None
    ) -> RES: ...


class AsyncStreamCall(Protocol[REQ, RES]):
    def __call__(self, request: REQ, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[RES]: ...


class AsyncConnection:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.http = async_http()
        url, http = options.url, self.http
        self.sandboxes = SandboxServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.snapshots = SnapshotServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.templates = TemplateServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.pools = PoolServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.hosts = HostServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.events = EventServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.control_plane = AsyncWay(options.url, self.http)
        """The way to the data plane that is always there."""
        self.direct_ways = AsyncDirectWays(self.http)
        """The ways that may be shorter."""

    def headers(self, credential: str | None) -> dict[str, str]:
        token = credential or self.options.api_key
        return {"authorization": f"Bearer {token}"} if token else {}

    async def unary(
        self,
        call: AsyncUnaryCall[REQ, RES],
        request: REQ,
        *,
        repeatable: bool,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> RES:
        """Makes a call that has one answer; repeats it where that is safe and the platform does not answer."""
        return await self.retrying(
            lambda: self.call(call, request, headers or self.headers(None), timeout), repeatable=repeatable
        )

    async def retrying(self, attempt: AsyncWork[RES], *, repeatable: bool) -> RES:
        for failures in count(1):
            try:
                return await attempt()
            except DaytonahError as error:
                if not repeatable and not was_refused(error):
                    raise
                await self.wait_to_retry(failures, error)
        raise AssertionError("unreachable")

    async def call(
        self, call: AsyncUnaryCall[REQ, RES], request: REQ, headers: Mapping[str, str], timeout: float | None = None
    ) -> RES:
        """Makes a call once."""
        timeout_ms = max(1, round((self.options.timeout if timeout is None else timeout) * 1000))
        try:
            return await call(request, headers=headers, timeout_ms=timeout_ms)
        except ConnectError as cause:
            raise convert_error(cause) from cause

    async def stream(
        self,
        call: AsyncStreamCall[REQ, RES],
        request: REQ,
        headers: Mapping[str, str],
        longest_silence: float = _LONGEST_SILENCE,
    ) -> AsyncGenerator[RES, None]:
        """Makes a call that answers bit by bit. It has no deadline: it ends when it is closed, or silent for too long."""
        answers: AsyncGenerator[RES, None] = call(request, headers=headers)  # type: ignore[assignment]
        try:
            async with aclosing(answers):
                while True:
                    try:
                        answer = await async_next(answers, longest_silence)
                    except StopAsyncIteration:
                        return
                    yield answer
        except TimeoutError as cause:
            raise UnavailableError("The stream fell silent.", code="unavailable") from cause
        except ConnectError as cause:
            raise convert_error(cause) from cause

    async def wait_to_retry(self, failures: int, error: DaytonahError) -> None:
        """Waits before the repeat that follows the `failures`-th failure; raises the error where there is to be none."""
        delay = delay_before_retry(self.options, failures, error)
        if delay is None:
            raise error
        await async_sleep(delay)
