# Made from ../_async by make_sync.py. Not edited.
"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from .._waits import SyncFetch

T = TypeVar("T")


def pages(fetch: SyncFetch[T]) -> Generator[T, None]:
    """All items; a page is asked for when the one before is used up."""
    token = ""
    while True:
        items, token = fetch(token)
        for item in items:
            yield item
        if not token:
            return
