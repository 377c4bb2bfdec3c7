"""Requests to a sandbox over plain HTTP, for what is too large for calls: docs/http-files.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlencode

from connectrpc.errors import ConnectError
from pyqwest import ReadError, RemoteProtocolError, WriteError

from .._convert_error import convert_error, unreachable
from .._http_error import http_error_of
from .._waits import AsyncAnswer
from .data_plane import AsyncDataPlane
from .way import AsyncWay

_LONGEST_ERROR = 64 * 1024


@asynccontextmanager
async def http_request(
    plane: AsyncDataPlane,
    way: AsyncWay,
    method: Literal["GET", "HEAD", "PUT"],
    resource: Literal["files", "archive"],
    query: Mapping[str, str | Iterable[str] | None],
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | AsyncIterator[bytes] | None = None,
) -> AsyncIterator[AsyncAnswer]:
    """The answer, where it is a success. Raises this package's errors, also for what breaks while it is read."""
    given = {name: value for name, value in query.items() if value is not None}
    url = f"{way.url}/v1/sandboxes/{plane.sandbox_id}/{resource}?{urlencode(given, doseq=True)}"
    try:
        async with plane.connection.http.stream(
            method, url, headers={**plane.headers, **(headers or {})}, content=content
        ) as answer:
            if answer.status >= 300:
                raise http_error_of(answer.status, await whole_of(answer, _LONGEST_ERROR))
            yield answer
    except ConnectError as cause:
        raise convert_error(cause) from cause
    except (ConnectionError, TimeoutError, ReadError, RemoteProtocolError, WriteError) as cause:
        raise unreachable(str(cause)) from cause


async def whole_of(answer: AsyncAnswer, max_bytes: int = 1024 * 1024) -> bytes:
    """The body of a short answer; what is over the limit is left out."""
    body = bytearray()
    async for chunk in answer.content:
        body += chunk
        if len(body) >= max_bytes:
            break
    return bytes(body[:max_bytes])
