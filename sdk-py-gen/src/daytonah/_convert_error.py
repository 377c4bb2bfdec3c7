"""Turns what the RPC layer raises into this package's errors."""

from __future__ import annotations

from asyncio import CancelledError

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from ._error_reasons import CLASS_OF_REASON
from ._gen.daytonah.v1.error_pb import ErrorInfo, ErrorReason
from .errors import (
    AuthenticationError,
    CapacityError,
    ConflictError,
    DaytonahError,
    DeadlineError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PlatformError,
    UnavailableError,
    UnsupportedError,
)

_CLASS_OF_CODE: dict[Code, type[DaytonahError]] = {
    Code.CANCELED: UnavailableError,
    Code.UNKNOWN: PlatformError,
    Code.INVALID_ARGUMENT: InvalidArgumentError,
    Code.DEADLINE_EXCEEDED: DeadlineError,
    Code.NOT_FOUND: NotFoundError,
    Code.ALREADY_EXISTS: ConflictError,
    Code.PERMISSION_DENIED: PermissionDeniedError,
    Code.RESOURCE_EXHAUSTED: CapacityError,
    Code.FAILED_PRECONDITION: ConflictError,
    Code.ABORTED: ConflictError,
    Code.OUT_OF_RANGE: InvalidArgumentError,
    Code.UNIMPLEMENTED: UnsupportedError,
    Code.INTERNAL: PlatformError,
    Code.UNAVAILABLE: UnavailableError,
    Code.DATA_LOSS: PlatformError,
    Code.UNAUTHENTICATED: AuthenticationError,
}
"""For errors that carry no reason, or one that is newer than this package."""
_CODE_OF_CLASS: dict[type[DaytonahError], Code] = {
    NotFoundError: Code.NOT_FOUND,
    ConflictError: Code.ABORTED,
    CapacityError: Code.RESOURCE_EXHAUSTED,
    UnavailableError: Code.UNAVAILABLE,
}
"""Of the kinds of failure that a part of an answer can be."""


_GIVE_KEY = "Set the variable DNAH_API_KEY, or give `api_key` to the Client."
"""The platform speaks of headers."""


def convert_error(error: ConnectError) -> DaytonahError:
    """The error to raise for one of the RPC layer. A cancelled task's error, which it hides, is raised as it was."""
    if isinstance(error.__cause__, CancelledError):
        raise error.__cause__
    info = next((info for detail in error.details if (info := detail.value(ErrorInfo)) is not None), None)
    if info is None or info.reason == ErrorReason.UNSPECIFIED:
        return _without_reason(error)
    reason = _name_of(info.reason)
    kind = CLASS_OF_REASON.get(reason, _CLASS_OF_CODE[error.code])
    return kind(
        error.message,
        code=error.code.value,
        reason=reason,
        next_step=_GIVE_KEY if reason == "CREDENTIAL_MISSING" else info.next_step,
        metadata=info.metadata,
        violations=[FieldViolation(v.field, v.rule, v.message) for v in info.violations],
        retry_after=info.retry_delay.to_seconds() if info.retry_delay is not None else None,
    )


def error_of_reason(reason: str, message: str, next_step: str, retry_after: float | None) -> DaytonahError:
    """The error for a failure that is a part of an answer."""
    kind = CLASS_OF_REASON.get(reason, PlatformError)
    code = _CODE_OF_CLASS.get(kind, Code.INTERNAL).value
    return kind(message, code=code, reason=reason, next_step=next_step, retry_after=retry_after)


def unreachable(why: str) -> UnavailableError:
    return UnavailableError(
        f"The platform can't be reached: {why}",
        code="unavailable",
        next_step="Check that the platform runs and that its URL is right (DNAH_URL).",
    )


def _without_reason(error: ConnectError) -> DaytonahError:
    """The platform's own errors have a reason; what has none and is no deadline is the way to the platform."""
    never_connected = isinstance(error.__cause__, ConnectionError)  # in time or not
    if never_connected or error.code in (Code.UNAVAILABLE, Code.CANCELED, Code.ABORTED, Code.INTERNAL, Code.UNKNOWN):
        return unreachable(error.message)
    return _CLASS_OF_CODE[error.code](error.message, code=error.code.value)


def _name_of(reason: int) -> str:
    """Also of a reason that is newer than this package."""
    try:
        return ErrorReason(reason).name or str(reason)
    except ValueError:
        return str(reason)
