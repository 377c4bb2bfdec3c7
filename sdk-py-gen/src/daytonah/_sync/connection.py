# Made from ../_async by make_sync.py. Not edited.
"""The RPC clients of one platform, and what every call shares: credential, deadline, retries and typed errors."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from itertools import count
from typing import Protocol, TypeVar

from connectrpc.errors import ConnectError

from .._convert_error import convert_error
from .._gen.daytonah.v1.event_connect import EventServiceClientSync
from .._gen.daytonah.v1.host_connect import HostServiceClientSync
from .._gen.daytonah.v1.pool_connect import PoolServiceClientSync
from .._gen.daytonah.v1.sandbox_connect import SandboxServiceClientSync
from .._gen.daytonah.v1.snapshot_connect import SnapshotServiceClientSync
from .._gen.daytonah.v1.template_connect import TemplateServiceClientSync
from .._options import Options, delay_before_retry, was_refused
from .._waits import SyncWork, sync_http, sync_next, sync_sleep
from ..errors import DaytonahError, UnavailableError
from .direct_ways import DirectWays
from .way import Way

_LONGEST_SILENCE = 60.0
"""The sandbox sends a heartbeat every 15 s where it has nothing to say."""
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
        self.http = sync_http()
        url, http = options.url, self.http
        self.sandboxes = SandboxServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.snapshots = SnapshotServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.templates = TemplateServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.pools = PoolServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.hosts = HostServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.events = EventServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.control_plane = Way(options.url, self.http)
        """The way to the data plane that is always there."""
        self.direct_ways = DirectWays(self.http)
        """The ways that may be shorter."""

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
        return self.retrying(
            lambda: self.call(call, request, headers or self.headers(None), timeout), repeatable=repeatable
        )

    def retrying(self, attempt: SyncWork[RES], *, repeatable: bool) -> RES:
        for failures in count(1):
            try:
                return attempt()
            except DaytonahError as error:
                if not repeatable and not was_refused(error):
                    raise
                self.wait_to_retry(failures, error)
        raise AssertionError("unreachable")

    def call(
        self, call: UnaryCall[REQ, RES], request: REQ, headers: Mapping[str, str], timeout: float | None = None
    ) -> RES:
        """Makes a call once."""
        timeout_ms = max(1, round((self.options.timeout if timeout is None else timeout) * 1000))
        try:
            return call(request, headers=headers, timeout_ms=timeout_ms)
        except ConnectError as cause:
            raise convert_error(cause) from cause

    def stream(
        self,
        call: StreamCall[REQ, RES],
        request: REQ,
        headers: Mapping[str, str],
        longest_silence: float = _LONGEST_SILENCE,
    ) -> Generator[RES, None]:
        """Makes a call that answers bit by bit. It has no deadline: it ends when it is closed, or silent for too long."""
        answers: Generator[RES, None] = call(request, headers=headers)  # type: ignore[assignment]
        try:
            with closing(answers):
                while True:
                    try:
                        answer = sync_next(answers, longest_silence)
                    except StopIteration:
                        return
                    yield answer
        except TimeoutError as cause:
            raise UnavailableError("The stream fell silent.", code="unavailable") from cause
        except ConnectError as cause:
            raise convert_error(cause) from cause

    def wait_to_retry(self, failures: int, error: DaytonahError) -> None:
        """Waits before the repeat that follows the `failures`-th failure; raises the error where there is to be none."""
        delay = delay_before_retry(self.options, failures, error)
        if delay is None:
            raise error
        sync_sleep(delay)
