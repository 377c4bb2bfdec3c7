"""What programs and terminals take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

StreamName = Literal["stdout", "stderr", "pty"]
Command = str | Sequence[str]
"""A line for the shell, or a program and its arguments."""


class PtySize(NamedTuple):
    """Size of a terminal's window, in characters, each 1 to 1,000."""

    columns: int
    rows: int


@dataclass(frozen=True)
class OutputEvent:
    """A piece of output, in the order in which the program wrote it."""

    stream: StreamName
    """"pty" for everything that a program on a terminal writes."""
    data: bytes
    """Its bytes."""
    text: str
    """Its text. A character that was cut in two comes with the event that completes it, so this may be empty."""
    offset: int
    """Offset of its first byte; all streams share one numbering."""


@dataclass(frozen=True)
class ProcessExit:
    """How a program ended."""

    exit_code: int
    """128 + the signal's number where a signal ended it."""
    signal: str | None
    """The signal that ended it, such as "SIGKILL"."""
    timed_out: bool
    """Its `timeout` passed."""
    out_of_memory: bool
    """The sandbox was out of memory."""
    run_time: float
    """How long it ran, seconds."""


@dataclass(frozen=True)
class ExecResult(ProcessExit):
    """How a program ended, and what it wrote."""

    stdout: str
    """As text; what is no UTF-8 becomes U+FFFD. What a program on a terminal wrote is here too."""
    stderr: str
    """As text, empty where the program ran on a terminal."""
    stdout_bytes: bytes
    """As it was written."""
    stderr_bytes: bytes
    """As it was written."""
    truncated: bool
    """Part of the output is missing above: it was more than `max_output_bytes`, or bytes were lost."""
    lost_bytes: int
    """Bytes that the platform no longer had when the connection was back."""


@dataclass(frozen=True)
class ProcessInfo:
    """A process that was started by exec, start or pty."""

    id: str
    """Its name, for `sandbox.attach(id)`."""
    pid: int
    """pid in the sandbox."""
    args: Sequence[str]
    """Program and arguments."""
    cwd: str
    """Working directory it was started in."""
    user: str
    """The sandbox's user it runs as."""
    tag: str
    """The label it was started with; may be empty."""
    env: Mapping[str, str]
    """What was added to the sandbox's environment for it."""
    pty: PtySize | None
    """Size of its terminal; None where it has none."""
    start_time: datetime
    """When it was started."""
    exited: ProcessExit | None
    """Set once it ended."""
    end_offset: int
    """Offset after its last byte of output so far."""
