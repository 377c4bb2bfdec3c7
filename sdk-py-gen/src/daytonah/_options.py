"""Where the platform is and who calls: from the caller, else from the environment, else the defaults."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Literal

from .errors import DaytonahError, UnavailableError

Direct = Literal["auto", "never", "always"]
LIFE_TIMEOUT = 120.0
"""For calls that wait for a host, seconds: longer than the platform's own limits for what a host does."""
_LONGEST_DELAY = 3.0
_LONGEST_ASKED_DELAY = 30.0
"""The platform may ask for more patience than this; then the caller decides."""


@dataclass(frozen=True)
class Options:
    """What a client was made with. Times are seconds."""

    url: str
    api_key: str | None
    timeout: float
    max_retries: int
    retry_delay: float
    direct: Direct


def resolve_options(
    url: str | None, api_key: str | None, timeout: float, max_retries: int, retry_delay: float, direct: Direct
) -> Options:
    chosen = url or os.environ.get("DNAH_URL") or "http://127.0.0.1:3000"
    if not chosen.startswith(("http://", "https://")):
        raise ValueError(f"The platform's URL is {chosen!r}; it must begin with http:// or https://.")
    key = api_key or os.environ.get("DNAH_API_KEY") or None
    return Options(chosen.rstrip("/"), key, timeout, max_retries, retry_delay, direct)


def delay_before_retry(options: Options, failures: int, error: DaytonahError) -> float | None:
    """How long to wait before the repeat that follows the `failures`-th failure; None where there is to be none."""
    if failures > options.max_retries or (error.retry_after or 0) > _LONGEST_ASKED_DELAY:
        return None
    # A lost host stays lost for minutes, if it comes back at all.
    no_answer = isinstance(error, UnavailableError) and error.reason != "HOST_LOST"
    if not no_answer and not was_refused(error):
        return None
    if error.retry_after is not None:
        return error.retry_after
    delay: float = min(_LONGEST_DELAY, options.retry_delay * 2 ** (failures - 1))
    return delay * (0.75 + random.random() / 2)


def was_refused(error: DaytonahError) -> bool:
    """Whether the platform did nothing of a call, since too many others were under way."""
    return error.reason == "TOO_MANY_CALLS"
