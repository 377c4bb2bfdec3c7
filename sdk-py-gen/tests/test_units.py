"""What needs no sandbox."""

from __future__ import annotations

import io
import traceback

import daytonah
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from daytonah import AuthenticationError, CapacityError, ConflictError, NotFoundError, PlatformError, UnavailableError
from daytonah._convert_error import convert_error, error_of_reason
from daytonah._direct import edge_of
from daytonah._error_reasons import CLASS_OF_REASON
from daytonah._gen.daytonah.v1.error_pb import ErrorInfo, ErrorReason
from daytonah._gen.daytonah.v1.process_pb import ProcessExited, ProcessOutput, ProcessStarted
from daytonah._http_error import http_error_of
from daytonah._output import OutputReader
from daytonah._signals import signal_name_of, signal_number_of
from daytonah._options import resolve_options
from daytonah._sync.connection import Connection
from daytonah._sync.direct_ways import DirectWays
from daytonah._sync.pieces import pieces_of
from daytonah._waits import sync_http
from other_edge import OtherEdge
from protobuf.wkt.google.protobuf.duration_pb import Duration


def test_every_reason_of_the_platform_has_an_error_class() -> None:
    reasons = {reason.name for reason in ErrorReason} - {"UNSPECIFIED"}
    assert set(CLASS_OF_REASON) == reasons
    for reason, kind in CLASS_OF_REASON.items():
        wire = ConnectError(Code.INTERNAL, "said", [ErrorInfo(reason=ErrorReason[reason], next_step="do")])
        error = convert_error(wire)
        assert (type(error), error.reason, str(error)) == (kind, reason, "said")
        assert ("DNAH_API_KEY" in error.next_step) if reason == "CREDENTIAL_MISSING" else error.next_step == "do"
    assert CLASS_OF_REASON["SNAPSHOT_NOT_FOUND"] is NotFoundError
    assert CLASS_OF_REASON["SANDBOX_PAUSED"] is CLASS_OF_REASON["RESOURCE_IN_USE"] is ConflictError
    assert CLASS_OF_REASON["SNAPSHOT_FAILED"] is CLASS_OF_REASON["RESTORE_FAILED"] is PlatformError


def test_a_traceback_says_what_to_do_next() -> None:
    error = convert_error(ConnectError(Code.NOT_FOUND, "said", [ErrorInfo(reason=ErrorReason.SANDBOX_NOT_FOUND, next_step="Look.")]))
    assert traceback.format_exception_only(error) == ["daytonah.errors.NotFoundError: said\n", "Next: Look.\n"]


def test_a_failure_that_is_a_part_of_an_answer_is_the_error_that_a_call_would_raise() -> None:
    full = error_of_reason("NO_CAPACITY", "No room.", "Try again.", 2.0)
    assert (type(full), full.code, full.reason, full.retry_after) == (CapacityError, "resource_exhausted", "NO_CAPACITY", 2.0)
    assert full.next_step == "Try again."
    newer = error_of_reason("NEWER", "Who knows.", "Ask.", None)
    assert (type(newer), newer.code, newer.reason) == (PlatformError, "internal", "NEWER")


def test_a_call_that_was_refused_for_too_many_calls_is_made_again_whatever_it_does() -> None:
    wire = ConnectError(
        Code.RESOURCE_EXHAUSTED, "said", [ErrorInfo(reason=ErrorReason.TOO_MANY_CALLS, retry_delay=Duration(nanos=1_000_000))]
    )
    failures = [convert_error(wire), convert_error(wire)]

    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "done"

    connection = Connection(resolve_options("http://127.0.0.1:9", "k", 1.0, 4, 0.02, "never"))
    assert connection.retrying(attempt, repeatable=False) == "done"
    with pytest.raises(UnavailableError):
        failures.append(UnavailableError("No answer.", code="unavailable"))
        connection.retrying(attempt, repeatable=False)


def test_an_error_over_plain_http_is_the_platforms_or_what_its_status_says() -> None:
    assert isinstance(convert_error(http_error_of(502, b"<html>bad gateway</html>")), UnavailableError)
    assert isinstance(convert_error(http_error_of(401, b"")), AuthenticationError)
    assert convert_error(http_error_of(409, b'{"code":"aborted","message":"m","details":[]}')).args == (
        "The platform can't be reached: m",
    )


def test_public_names_have_docstrings() -> None:
    for name in daytonah.__all__:
        kind = getattr(daytonah, name)
        assert kind.__doc__, name
        ours = [base for base in kind.__mro__ if base.__module__.startswith("daytonah")]
        for member, value in (item for base in ours for item in vars(base).items()):
            if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                assert value.__doc__, f"{name}.{member}"


def test_content_is_cut_into_pieces_whatever_it_comes_in() -> None:
    def cut(source: object) -> list[tuple[bytes, int, bool]]:
        return [(piece.data, piece.offset, piece.last) for piece in pieces_of(source, 4)]  # type: ignore[arg-type]

    assert cut("") == [(b"", 0, True)]
    assert cut(b"abcd") == [(b"abcd", 0, True)]
    for source in ("abcdefghi", b"abcdefghi", ["ab", b"cdefg", "", "hi"], io.BytesIO(b"abcdefghi"), io.StringIO("abcdefghi")):
        assert cut(source) == [(b"abcd", 0, False), (b"efgh", 4, False), (b"i", 8, True)]


def test_signals_have_the_names_and_numbers_of_linux() -> None:
    assert [signal_number_of(name) for name in ("SIGHUP", "SIGKILL", "SIGTERM", "SIGSYS")] == [1, 9, 15, 31]
    assert signal_number_of(34) == 34
    assert [signal_name_of(number) for number in (0, 2, 31, 34)] == [None, "SIGINT", "SIGSYS", "SIG34"]
    with pytest.raises(ValueError, match="no signal 'TERM'"):
        signal_number_of("TERM")


def test_output_that_comes_again_is_dropped_and_what_is_missing_is_counted() -> None:
    reader = OutputReader(100)
    reader.on_started(ProcessStarted())
    assert reader.on_output(ProcessOutput(offset=0, data=b"abc")) is not None
    assert reader.on_output(ProcessOutput(offset=1, data=b"bc")) is None
    event = reader.on_output(ProcessOutput(offset=2, data=b"cd"))
    assert event is not None and (event.data, event.offset) == (b"d", 3)
    reader.on_started(ProcessStarted(first_offset=10))
    result = reader.result(ProcessExited())
    assert (result.stdout, result.lost_bytes, result.truncated) == ("abcd", 6, True)


def test_an_edge_on_loopback_is_only_this_machines_where_the_platform_is_too() -> None:
    assert edge_of("http://127.0.0.1:3000", "token", "http://localhost:1") == "http://localhost:1"
    assert edge_of("https://dnah.example.com", "token", "http://127.0.0.1:1") is None
    assert edge_of("https://dnah.example.com", "token", "http://[::1]:1") is None
    assert edge_of("https://dnah.example.com", "token", "http://10.0.0.7:1") == "http://10.0.0.7:1"
    assert edge_of("http://127.0.0.1:3000", None, "http://127.0.0.1:1") is None


def test_an_edge_that_was_silent_is_looked_at_again_after_a_while() -> None:
    clock = [100.0]
    ways = DirectWays(sync_http(), now=lambda: clock[0])
    with OtherEdge(401, "unauthenticated", ErrorReason.CREDENTIAL_INVALID) as edge:
        url = edge.url
        way = ways.awaited(url)
        assert way is not None and ways.usable(url) is way
        ways.failed(way)
        clock[0] += 29
        assert ways.usable(url) is None
        clock[0] += 2
        ways.usable(url)  # starts another look, and does not wait for it
        look = ways._edges[url].look
        assert look is not None
        look.join()
        assert ways.usable(url) is way


def test_a_server_that_only_looks_like_an_edge_is_none() -> None:
    ways = DirectWays(sync_http())
    with OtherEdge(401, "unauthenticated", ErrorReason.CREDENTIAL_INVALID, alive="maybe") as stranger:
        assert ways.awaited(stranger.url) is None
    assert ways.awaited(stranger.url) is None  # nor is nobody at all
