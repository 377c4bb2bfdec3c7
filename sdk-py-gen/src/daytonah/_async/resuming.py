"""One stream of values over as many calls as it takes: where a call breaks, the next goes on behind the caller's back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from ..errors import DaytonahError
from .data_plane import AsyncDataPlane
from .way import AsyncWay

T = TypeVar("T")
Progress = Callable[[], None]
"""Says that the way of a call is a good one."""


async def resuming(
    plane: AsyncDataPlane,
    attempt: Callable[[AsyncWay, Progress], AsyncGenerator[T, None]],
    *,
    may_resume: Callable[[], bool] = lambda: True,
    error_of: Callable[[DaytonahError], DaytonahError] = lambda error: error,
) -> AsyncGenerator[T, None]:
    """`attempt` makes one call, from where the last one stopped; it returns when all is told and raises when the call broke.

    Args:
        may_resume: False from when on a broken call can't be continued; then its error is raised.
        error_of: The error to judge a retry by.
    """
    failures = 0

    def progress() -> None:
        nonlocal failures
        failures = 0

    while True:
        way = None
        token = plane.access_token
        try:
            way = await plane.way()
            async with aclosing(attempt(way, progress)) as values:
                async for value in values:
                    yield value
            return
        except DaytonahError as error:
            failure = error_of(error)
            if not may_resume():
                raise failure
            if way is not None and await plane.makes_anew(way, failure, token, True):
                continue
            failures += 1
            await plane.connection.wait_to_retry(failures, failure)


async def first_of(values: AsyncGenerator[T, None]) -> T:
    """For a call that has one answer after all."""
    async with aclosing(values):
        async for value in values:
            return value
    raise TypeError("The platform gave no answer.")
