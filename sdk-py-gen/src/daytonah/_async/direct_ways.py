"""The hosts' edges that this client heard of, and which of them answer from where it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .._waits import AsyncBackground, AsyncHttp, async_get
from .way import AsyncWay

_PROBE_SECONDS = 1.0
"""An edge on the same network answers in a few ms; one that needs longer is no gain."""
_REST_SECONDS = 30.0
"""How long an edge that did not answer is left alone."""


@dataclass
class _Edge:
    way: AsyncWay
    answers: bool = False
    look_again: float = 0.0
    """When an edge that does not answer may be looked at again."""
    look: AsyncBackground | None = None


class AsyncDirectWays:
    def __init__(self, http: AsyncHttp, now: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._now = now
        self._edges: dict[str, _Edge] = {}

    def usable(self, url: str) -> AsyncWay | None:
        """The way by the edge at `url` where it is known to answer. Never waits: asking starts a look at it."""
        edge = self._edge(url)
        if not edge.answers and self._now() >= edge.look_again:
            # Also where the look is never over, since its event loop ended.
            edge.look_again = self._now() + _REST_SECONDS
            edge.look = AsyncBackground(lambda: self._look(edge))
        return edge.way if edge.answers else None

    async def awaited(self, url: str) -> AsyncWay | None:
        """The same once it is known, at most a second later. An edge that was silent before is looked at again."""
        edge = self._edge(url)
        if not edge.answers:
            await self._look(edge)
        return edge.way if edge.answers else None

    def includes(self, way: AsyncWay) -> bool:
        return any(edge.way is way for edge in self._edges.values())

    def failed(self, way: AsyncWay) -> None:
        """A call found that it can't be reached."""
        edge = self._edges[way.url]
        edge.answers = False
        edge.look_again = self._now() + _REST_SECONDS

    def _edge(self, url: str) -> _Edge:
        if url not in self._edges:
            self._edges[url] = _Edge(AsyncWay(url, self._http))
        return self._edges[url]

    async def _look(self, edge: _Edge) -> None:
        answer = await async_get(self._http, f"{edge.way.url}/healthz", _PROBE_SECONDS)
        try:
            said = answer.json() if answer is not None and answer.status == 200 else None
        except ValueError:
            said = None
        edge.answers = isinstance(said, dict) and said.get("alive") is True
        edge.look_again = self._now() + _REST_SECONDS
