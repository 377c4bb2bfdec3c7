"""Linux signals by name. Those of the machine that this runs on may have other numbers."""

from __future__ import annotations

_NAMES = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ"
    " VTALRM PROF WINCH IO PWR SYS"
).split()


def signal_number_of(signal: str | int) -> int:
    if isinstance(signal, int):
        return signal
    if not signal.startswith("SIG") or signal[3:] not in _NAMES:
        raise ValueError(f"There is no signal {signal!r}; it is called SIGTERM, say.")
    return _NAMES.index(signal[3:]) + 1


def signal_name_of(number: int) -> str | None:
    """None for 0 (no signal); "SIG34", say, for a real-time signal."""
    if number == 0:
        return None
    return f"SIG{_NAMES[number - 1] if number <= len(_NAMES) else number}"
