"""The few things that differ between the two flavours beyond `async` and `await`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from pyqwest import Client, SyncClient

AsyncHttp = Client
SyncHttp = SyncClient

async_sleep = asyncio.sleep
sync_sleep = time.sleep


async def async_get_status(http: AsyncHttp, url: str, seconds: float) -> int | None:
    """The HTTP status of a GET; None where no answer came in time."""
    try:
        return (await asyncio.wait_for(http.get(url), seconds)).status
    except (OSError, TimeoutError):
        return None


def sync_get_status(http: SyncHttp, url: str, seconds: float) -> int | None:
    try:
        return http.get(url, timeout=seconds).status
    except (OSError, TimeoutError):
        return None


class AsyncBackground:
    """Work beside the caller's, whose failure `join` raises."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await work()

        self._task = asyncio.create_task(run())

    async def join(self) -> None:
        await self._task

    def cancel(self) -> None:
        self._task.cancel()


class SyncBackground:
    """As AsyncBackground, on a thread. A thread can't be ended from outside: it ends with its next failing call."""

    def __init__(self, work: Callable[[], None]) -> None:
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
