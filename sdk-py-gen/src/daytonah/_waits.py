"""The few things that differ between the two flavours beyond `async` and `await`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import cache
from typing import IO, TypeAlias, TypeVar

from connectrpc.errors import ConnectError
from pyqwest import Client, FullResponse, HTTPTransport, Response, SyncClient, SyncHTTPTransport, SyncResponse
from pyqwest._pyqwest import set_sync_timeout

from ._blocking_transport import BlockingTransport

T = TypeVar("T")

AsyncHttp = Client
SyncHttp = SyncClient
AsyncAnswer = Response
SyncAnswer = SyncResponse
AsyncLock = asyncio.Lock
SyncLock = threading.Lock
AsyncWork: TypeAlias = Callable[[], Awaitable[T]]
SyncWork: TypeAlias = Callable[[], T]
AsyncFetch: TypeAlias = Callable[[str], Awaitable[tuple[Sequence[T], str]]]
SyncFetch: TypeAlias = Callable[[str], tuple[Sequence[T], str]]
"""The page that a token names, and the token of the next; "" for the first, and after the last."""

INTERRUPTIONS = (asyncio.CancelledError, KeyboardInterrupt)
"""What ends a caller's wait from outside."""

async_sleep = asyncio.sleep
sync_sleep = time.sleep


@cache
def async_http() -> AsyncHttp:
    """Without redirects, which could lead a credential astray, and without compression, which would hide offsets."""
    return Client(
        HTTPTransport(
            tls_include_system_certs=True,
            follow_redirects=False,
            enable_gzip=False,
            enable_brotli=False,
            enable_zstd=False,
        )
    )


@cache
def sync_http() -> SyncHttp:
    transport = SyncHTTPTransport(
        tls_include_system_certs=True,
        follow_redirects=False,
        enable_gzip=False,
        enable_brotli=False,
        enable_zstd=False,
    )
    return SyncClient(BlockingTransport(transport))


async def async_get(http: AsyncHttp, url: str, seconds: float) -> FullResponse | None:
    """The answer to a GET; None where there was none in time."""
    try:
        return await asyncio.wait_for(http.get(url), seconds)
    except Exception:  # noqa: BLE001 - whatever it was, there is no answer
        return None


def sync_get(http: SyncHttp, url: str, seconds: float) -> FullResponse | None:
    try:
        return http.get(url, timeout=seconds)
    except Exception:  # noqa: BLE001
        return None


async def async_next(iterator: AsyncIterator[T], seconds: float) -> T:
    """The next value of a call's answers. Raises a TimeoutError after a silence of that many seconds."""
    async with asyncio.timeout(seconds):
        try:
            return await anext(iterator)
        except ConnectError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):
                raise error.__cause__ from None  # ours, or the caller's: the RPC layer hides it
            raise


def sync_next(iterator: Iterator[T], seconds: float) -> T:
    with set_sync_timeout(seconds):
        try:
            return next(iterator)
        except ConnectError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise error.__cause__ from None
            raise


async def async_read(file: IO[bytes] | IO[str], size: int) -> bytes | str:
    """The next part of a local file, read beside the event loop."""
    return await asyncio.to_thread(file.read, size)


def sync_read(file: IO[bytes] | IO[str], size: int) -> bytes | str:
    return file.read(size)


class AsyncBackground:
    """Work beside the caller's, whose failure `join` raises."""

    def __init__(self, work: AsyncWork[None]) -> None:
        async def run() -> None:
            await work()

        self._task = asyncio.create_task(run())
        # Told to who joins; nobody else is to be told.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def join(self) -> None:
        await self._task

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


class SyncBackground:
    """As AsyncBackground, on a thread. A thread can't be ended from outside: it ends with its next failing call."""

    def __init__(self, work: SyncWork[None]) -> None:
        self._failure: BaseException | None = None

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - join raises it
                self._failure = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        pass
