"""HTTP for blocking programs, each request on a thread of its own: pyqwest's own waits return with an answer only, these also
with Ctrl-C and, one by one, after a time."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext

from pyqwest import SyncHTTPTransport, SyncRequest, SyncResponse
from pyqwest._pyqwest import get_sync_timeout, set_sync_timeout

_READ_AHEAD_BYTES = 256 * 1024


class BlockingTransport:
    """Makes the requests of a SyncClient."""

    def __init__(self, transport: SyncHTTPTransport) -> None:
        self._transport = transport

    def execute_sync(self, request: SyncRequest) -> SyncResponse:
        exchange = _Exchange(self._transport, request)
        answer = exchange.answer()
        return SyncResponse(
            status=answer.status,
            http_version=answer.http_version,
            headers=answer.headers,
            content=_Body(exchange),
            trailers=answer.trailers,
        )


class _Exchange:
    """One request and what came of its answer and was not taken yet."""

    def __init__(self, transport: SyncHTTPTransport, request: SyncRequest) -> None:
        self._transport = transport
        self._request = request
        self._changed = threading.Condition()
        self._answer: SyncResponse | None = None
        self._chunks: list[bytes | memoryview | bytearray] = []
        self._size = 0
        self._abandoned = False
        self._ended = False
        self._failure: BaseException | None = None
        self._timeout = _seconds_left()
        self.thread = threading.Thread(target=self._run, name="daytonah", daemon=True)
        _under_way.add(self)
        self.thread.start()

    def answer(self) -> SyncResponse:
        """Waits for its head."""
        try:
            self._wait_for(lambda: self._answer is not None or self._ended)
        except BaseException:
            self.abandon()
            raise
        if self._answer is None:
            raise self._failure or ConnectionError("no answer")
        return self._answer

    def take(self) -> list[bytes | memoryview | bytearray]:
        """Waits for more of its body; nothing is the end."""
        self._wait_for(lambda: bool(self._chunks) or self._ended)
        with self._changed:
            taken, self._chunks, self._size = self._chunks, [], 0
            self._changed.notify_all()
        if not taken and self._failure is not None:
            raise self._failure
        return taken

    def abandon(self) -> None:
        """Closes its connection, unless all of it came. A read that is under way ends at once."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        if self._answer is not None and not self._ended:
            self._answer.close()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, _seconds_left()):
                raise TimeoutError("no answer came in time")

    def _run(self) -> None:
        try:
            with set_sync_timeout(self._timeout) if self._timeout is not None else nullcontext():
                with self._transport.execute_sync(self._request) as answer:
                    with self._changed:
                        self._answer = answer
                        self._changed.notify_all()
                    self._read(answer)
        except BaseException as error:  # noqa: BLE001 - raised to who waits
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            _under_way.discard(self)

    def _read(self, answer: SyncResponse) -> None:
        """A little ahead of its reader."""
        if self._abandoned:
            return
        for chunk in answer.content:
            with self._changed:
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._size < _READ_AHEAD_BYTES or self._abandoned)
                if self._abandoned:
                    return


class _Body:
    """The body for its one reader; without it, its exchange is abandoned."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        self._taken: Iterator[bytes | memoryview | bytearray] = iter(())

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes | memoryview | bytearray:
        chunk = next(self._taken, None)
        if chunk is None:
            self._taken = iter(self._exchange.take())
            chunk = next(self._taken, None)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        self._exchange.abandon()

    def __del__(self) -> None:
        self.close()


def _seconds_left() -> float | None:
    timeout = get_sync_timeout()
    return None if timeout is None else timeout.total_seconds()


_under_way: set[_Exchange] = set()


@atexit.register
def _abandon_all() -> None:
    """No thread may come back from a wait when the interpreter is gone."""
    exchanges = _under_way.copy()
    for exchange in exchanges:
        exchange.abandon()
    for exchange in exchanges:
        exchange.thread.join(1.0)
