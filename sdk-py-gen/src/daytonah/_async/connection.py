"""The RPC clients of one platform, and what every call shares: credential, deadline, retries and typed errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from itertools import count
from typing import Protocol, TypeVar

from connectrpc.errors import ConnectError

from .._convert_error import convert_error
from .._gen.daytonah.v1.sandbox_connect import SandboxServiceClient
from .._options import Options, delay_before_retry
from .._waits import AsyncHttp, async_get_status, async_sleep
from ..errors import DaytonahError

_PROBE_SECONDS = 0.5
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
        self.http = AsyncHttp()
        self.sandboxes = SandboxServiceClient(
            options.url, send_compression=None, accept_compression=[], http_client=self.http
        )
        self._reachable: dict[str, bool] = {}

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
        timeout_ms = max(1, round((self.options.timeout if timeout is None else timeout) * 1000))
        for failures in count(1):
            try:
                return await call(request, headers=headers or self.headers(None), timeout_ms=timeout_ms)
            except ConnectError as cause:
                error = convert_error(cause)
                await self.wait_to_retry(failures if repeatable else self.options.max_retries + 1, error, cause)
        raise AssertionError("unreachable")

    async def stream(
        self, call: AsyncStreamCall[REQ, RES], request: REQ, headers: Mapping[str, str]
    ) -> AsyncGenerator[RES, None]:
        """Makes a call that answers bit by bit. It has no deadline: it ends when it is closed."""
        answers: AsyncGenerator[RES, None] = call(request, headers=headers)  # type: ignore[assignment]
        try:
            async with aclosing(answers):
                async for answer in answers:
                    yield answer
        except ConnectError as cause:
            raise convert_error(cause) from cause

    async def wait_to_retry(self, failures: int, error: DaytonahError, cause: BaseException | None = None) -> None:
        """Waits before the repeat that follows the `failures`-th failure; raises the error where there is to be none."""
        delay = delay_before_retry(self.options, failures, error)
        if delay is None:
            raise error from cause
        await async_sleep(delay)

    async def is_reachable(self, origin: str) -> bool:
        """Whether a host's edge answers; asked once."""
        if origin not in self._reachable:
            self._reachable[origin] = await self._probe(origin)
        return self._reachable[origin]

    def give_up(self, origin: str) -> None:
        self._reachable[origin] = False

    async def _probe(self, origin: str) -> bool:
        return await async_get_status(self.http, f"{origin}/healthz", _PROBE_SECONDS) == 200
