"""When a sandbox's host is called directly, and when no longer: docs/decisions/0010-finding-the-direct-path.md."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .errors import ConflictError, DaytonahError, UnavailableError

_REFUSED = {"SANDBOX_NOT_FOUND", "CREDENTIAL_INVALID", "SANDBOX_PAUSED"}
"""An edge does not tell strangers what it has: to it, the token of a sandbox that moved on is one of no sandbox. Until its old
host has given it up, it is paused there."""
_MOVED = {*_REFUSED, "SANDBOX_STATE_CONFLICT"}
"""Also where it is being handed to another host; but then a call may have begun."""


def edge_of(platform_url: str, access_token: str | None, direct_url: str | None) -> str | None:
    """Where the edge may be reached with a token that is known. What is at the platform's loopback is not at ours."""
    if not access_token or not direct_url:
        return None
    return None if _is_loopback(direct_url) and not _is_loopback(platform_url) else direct_url


def has_moved(error: DaytonahError) -> bool:
    """A sandbox that is no longer where it was asked for, or has just left."""
    return error.reason in _MOVED or error.metadata.get("state") == "moved"


def was_never_sent(error: DaytonahError) -> bool:
    """A call that was refused did nothing; a connection that was never made carried nothing."""
    if error.reason in _REFUSED:
        return True
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, ConnectionError):
            return True
        cause = cause.__cause__
    return False


def no_direct_path(sandbox_id: str) -> ConflictError:
    return ConflictError(
        f"Sandbox {sandbox_id} can't be reached directly: its access token or direct URL is missing.",
        code="failed_precondition",
        next_step='Give access_token and direct_url to Sandbox.connect, or use a client with direct="auto".',
    )


def edge_silent(url: str) -> UnavailableError:
    return UnavailableError(
        f"The host's edge at {url} can't be reached from here.",
        code="unavailable",
        next_step='Use a client with direct="auto", which goes through the control plane then.',
    )


def _is_loopback(url: str) -> bool:
    return re.fullmatch(r"localhost|127\.[\d.]+|::1", urlsplit(url).hostname or "") is not None
