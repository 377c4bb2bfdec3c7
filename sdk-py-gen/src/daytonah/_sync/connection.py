# Made from ../_async by make_sync.py. Not edited.
"""The RPC clients of one platform, and what every call shares: credential, deadline, retries and typed errors."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from itertools import count
from typing import Protocol, TypeVar

from connectrpc.errors import ConnectError

from .._convert_error import convert_error
from .._gen.daytonah.v1.sandbox_connect import SandboxServiceClientSync
from .._options import Options, delay_before_retry
from .._waits import SyncHttp, sync_get_status, sync_sleep
from ..errors import DaytonahError

_PROBE_SECONDS = 0.5
REQ = TypeVar("REQ", contravariant=True)
RES = TypeVar("RES", covariant=True)


class UnaryCall(Protocol[REQ, RES]):
    def __call__(
        self, request: REQ, *, headers: Mapping[str, str] | None = None, timeout_ms: int | None = None
    ) -> RES: ...


class StreamCall(Protocol[REQ, RES]):
    def __call__(self, request: REQ, *, headers: Mapping[str, str] | None = None) -> Iterator[RES]: ...


class Connection:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.http = SyncHttp()
        self.sandboxes = SandboxServiceClientSync(
            options.url, send_compression=None, accept_compression=[], http_client=self.http
        )
        self._reachable: dict[str, bool] = {}

    def headers(self, credential: str | None) -> dict[str, str]:
        token = credential or self.options.api_key
        return {"authorization": f"Bearer {token}"} if token else {}

    def unary(
        self,
        call: UnaryCall[REQ, RES],
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
                return call(request, headers=headers or self.headers(None), timeout_ms=timeout_ms)
            except ConnectError as cause:
                error = convert_error(cause)
                self.wait_to_retry(failures if repeatable else self.options.max_retries + 1, error, cause)
        raise AssertionError("unreachable")

    def stream(
        self, call: StreamCall[REQ, RES], request: REQ, headers: Mapping[str, str]
    ) -> Generator[RES, None]:
        """Makes a call that answers bit by bit. It has no deadline: it ends when it is closed."""
        answers: Generator[RES, None] = call(request, headers=headers)  # type: ignore[assignment]
        try:
            with closing(answers):
                for answer in answers:
                    yield answer
        except ConnectError as cause:
            raise convert_error(cause) from cause

    def wait_to_retry(self, failures: int, error: DaytonahError, cause: BaseException | None = None) -> None:
        """Waits before the repeat that follows the `failures`-th failure; raises the error where there is to be none."""
        delay = delay_before_retry(self.options, failures, error)
        if delay is None:
            raise error from cause
        sync_sleep(delay)

    def is_reachable(self, origin: str) -> bool:
        """Whether a host's edge answers; asked once."""
        if origin not in self._reachable:
            self._reachable[origin] = self._probe(origin)
        return self._reachable[origin]

    def give_up(self, origin: str) -> None:
        self._reachable[origin] = False

    def _probe(self, origin: str) -> bool:
        return sync_get_status(self.http, f"{origin}/healthz", _PROBE_SECONDS) == 200
