# Made from ../_async by make_sync.py. Not edited.
"""Starts a program, and runs one to its end with all of its input."""

from __future__ import annotations

from .._waits import INTERRUPTIONS, SyncBackground
from ..errors import DaytonahError
from ..file_models import ByteSource
from ..process_models import ExecResult
from .process import Process
from .process_calls import ProcessCalls


def start(process: Process, calls: ProcessCalls) -> Process:
    """Waits until it runs. Whoever is interrupted here ends the program: its handle is lost."""
    try:
        return process._started()
    except INTERRUPTIONS:
        calls.end()
        raise


def run_to_end(process: Process, calls: ProcessCalls, stdin: ByteSource | None, check: bool) -> ExecResult:
    """Whoever is interrupted here ends the program: nobody else knows of it."""
    try:
        with process:
            process._started()
            if stdin is None:
                return process.wait(check=check)
            feeding = SyncBackground(lambda: _feed(process, calls, stdin))
            try:
                process.wait()
                feeding.join()
            finally:
                feeding.cancel()
            return process.wait(check=check)
    except INTERRUPTIONS:
        calls.end()
        raise


def _feed(process: Process, calls: ProcessCalls, source: ByteSource) -> None:
    try:
        process.stdin.feed(source)
    except Exception as error:
        # A program that reads less than it is given is none of our business.
        if isinstance(error, DaytonahError) and error.reason in ("INPUT_CLOSED", "PROCESS_NOT_FOUND"):
            return
        calls.end()  # it would wait for the rest of its input for ever
        raise
