"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

from .._waits import AsyncFetch

T = TypeVar("T")


async def pages(fetch: AsyncFetch[T]) -> AsyncGenerator[T, None]:
    """All items; a page is asked for when the one before is used up."""
    token = ""
    while True:
        items, token = await fetch(token)
        for item in items:
            yield item
        if not token:
            return
