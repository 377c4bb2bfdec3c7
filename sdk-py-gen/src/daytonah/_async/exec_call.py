"""Starts a program, and runs one to its end with all of its input."""

from __future__ import annotations

from .._waits import INTERRUPTIONS, AsyncBackground
from ..errors import DaytonahError
from ..file_models import AsyncByteSource
from ..process_models import ExecResult
from .process import AsyncProcess
from .process_calls import AsyncProcessCalls


async def start(process: AsyncProcess, calls: AsyncProcessCalls) -> AsyncProcess:
    """Waits until it runs. Whoever is interrupted here ends the program: its handle is lost."""
    try:
        return await process._started()
    except INTERRUPTIONS:
        await calls.end()
        raise


async def run_to_end(process: AsyncProcess, calls: AsyncProcessCalls, stdin: AsyncByteSource | None, check: bool) -> ExecResult:
    """Whoever is interrupted here ends the program: nobody else knows of it."""
    try:
        async with process:
            await process._started()
            if stdin is None:
                return await process.wait(check=check)
            feeding = AsyncBackground(lambda: _feed(process, calls, stdin))
            try:
                await process.wait()
                await feeding.join()
            finally:
                await feeding.cancel()
            return await process.wait(check=check)
    except INTERRUPTIONS:
        await calls.end()
        raise


async def _feed(process: AsyncProcess, calls: AsyncProcessCalls, source: AsyncByteSource) -> None:
    try:
        await process.stdin.feed(source)
    except Exception as error:
        # A program that reads less than it is given is none of our business.
        if isinstance(error, DaytonahError) and error.reason in ("INPUT_CLOSED", "PROCESS_NOT_FOUND"):
            return
        await calls.end()  # it would wait for the rest of its input for ever
        raise
