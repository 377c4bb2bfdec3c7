"""The errors that this package raises. All of them but `CommandFailedError` are `DaytonahError`s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .process_models import ExecResult


@dataclass(frozen=True)
class FieldViolation:
    """A field of a request that breaks its rule."""

    field: str
    """Path from the request, such as "resources.memory_mib"."""
    rule: str
    """Id of the rule, such as "uint32.gte"."""
    message: str
    """The rule in words."""


class DaytonahError(Exception):
    """Base of the platform's errors.

    ```python
    try:
        Sandbox.create(template="no-such")
    except NotFoundError as error:
        print(error.reason, error.next_step)
    ```
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        reason: str | None = None,
        next_step: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        """Kind of the error: a Connect (and gRPC) code in small letters, such as "not_found"."""
        self.reason = reason
        """Which rule or part failed, such as "SANDBOX_NOT_FOUND"; None where the platform never got to say it."""
        self.next_step = next_step
        """What to do next, one sentence; may be empty. A traceback shows it, too."""
        if next_step:
            self.add_note(f"Next: {next_step}")
        self.metadata = dict(metadata or {})
        """Facts for programs, such as `sandbox_id`, `state`, `scope`."""
        self.violations = tuple(violations)
        """For reason FIELD_INVALID: each field that breaks a rule."""
        self.retry_after = retry_after
        """When another try may work, seconds; None where the platform named no time."""

    @property
    def request_id(self) -> str | None:
        """Finds the call in the platform's logs."""
        return self.metadata.get("request_id")


class AuthenticationError(DaytonahError):
    """The credential is missing, unknown or revoked."""


class PermissionDeniedError(DaytonahError):
    """The credential lacks a scope, or the sandbox's user may not use a path."""


class InvalidArgumentError(DaytonahError):
    """A value of the request is wrong; see `violations`. Also: no such program, user or working directory."""


class NotFoundError(DaytonahError):
    """No such sandbox, template, process or file, or it belongs to somebody else."""


class ConflictError(DaytonahError):
    """The state of the sandbox, process or path does not allow this."""


class LimitError(DaytonahError):
    """A limit is reached: a quota of yours, a size, your calls at once, or the sandbox's own disk or processes."""


class CapacityError(DaytonahError):
    """The platform has no room now; try again after `retry_after`."""


class SandboxDiedError(DaytonahError):
    """The sandbox's VM ended by itself. A resume starts it again from its disk."""


class UnavailableError(DaytonahError):
    """The platform, or a part of it, does not answer, also after the retries that are safe."""


class DeadlineError(DaytonahError):
    """The call took longer than its `timeout`."""


class UnsupportedError(DaytonahError):
    """The server does not know this call: it is older than this package, or it is no DaytoNah server."""


class PlatformError(DaytonahError):
    """A fault of the platform; report it with `request_id`."""


class CommandFailedError(Exception):
    """A program did not end with exit code 0, and `check` asked for that."""

    def __init__(self, result: ExecResult) -> None:
        super().__init__(f"The command {_ending_of(result)}{_last_line_of(result.stderr)}")
        self.result = result
        """How it ended, with its output."""

    @property
    def exit_code(self) -> int:
        """The program's exit code; 128 + the signal's number where a signal ended it."""
        return self.result.exit_code


def _ending_of(result: ExecResult) -> str:
    if result.timed_out:
        return f"was ended after its timeout ({result.run_time:.1f} s)"
    if result.out_of_memory:
        return "was ended: the sandbox was out of memory"
    if result.signal is not None:
        return f"was ended by {result.signal}"
    return f"ended with exit code {result.exit_code}"


def _last_line_of(stderr: str) -> str:
    lines = stderr.rstrip().splitlines()
    return f": {lines[-1][:500]}" if lines else "."
