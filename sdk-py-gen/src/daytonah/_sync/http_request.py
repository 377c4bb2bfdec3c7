# Made from ../_async by make_sync.py. Not edited.
"""Requests to a sandbox over plain HTTP, for what is too large for calls: docs/http-files.md."""

from __future__ import annotations

from collections.abc import Iterator, Iterable, Mapping
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlencode

from connectrpc.errors import ConnectError
from pyqwest import ReadError, RemoteProtocolError, WriteError

from .._convert_error import convert_error, unreachable
from .._http_error import http_error_of
from .._waits import SyncAnswer
from .data_plane import DataPlane
from .way import Way

_LONGEST_ERROR = 64 * 1024


@contextmanager
def http_request(
    plane: DataPlane,
    way: Way,
    method: Literal["GET", "HEAD", "PUT"],
    resource: Literal["files", "archive"],
    query: Mapping[str, str | Iterable[str] | None],
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | Iterator[bytes] | None = None,
) -> Iterator[SyncAnswer]:
    """The answer, where it is a success. Raises this package's errors, also for what breaks while it is read."""
    given = {name: value for name, value in query.items() if value is not None}
    url = f"{way.url}/v1/sandboxes/{plane.sandbox_id}/{resource}?{urlencode(given, doseq=True)}"
    try:
        with plane.connection.http.stream(
            method, url, headers={**plane.headers, **(headers or {})}, content=content
        ) as answer:
            if answer.status >= 300:
                raise http_error_of(answer.status, whole_of(answer, _LONGEST_ERROR))
            yield answer
    except ConnectError as cause:
        raise convert_error(cause) from cause
    except (ConnectionError, TimeoutError, ReadError, RemoteProtocolError, WriteError) as cause:
        raise unreachable(str(cause)) from cause


def whole_of(answer: SyncAnswer, max_bytes: int = 1024 * 1024) -> bytes:
    """The body of a short answer; what is over the limit is left out."""
    body = bytearray()
    for chunk in answer.content:
        body += chunk
        if len(body) >= max_bytes:
            break
    return bytes(body[:max_bytes])
