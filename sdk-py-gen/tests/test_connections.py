"""Connections that break, hosts that are gone, and sandboxes that moved on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from conftest import Connect
from cutting_proxy import CuttingProxy
from daytonah import ConflictError, DaytonahError, DeadlineError, Sandbox, UnavailableError
from daytonah._gen.daytonah.v1.error_pb import ErrorReason
from daytonah._gen.daytonah.v1.port_pb import WatchPortsRequest
from other_edge import OtherEdge

_COUNT = "for i in $(seq 60); do echo $i; [ $((i % 20)) = 0 ] && sleep 0.2; done"
_COUNTED = "".join(f"{number}\n" for number in range(1, 61))


@pytest.fixture(params=["never", "always"], ids=["through the control plane", "straight to the host"])
def broken(
    request: pytest.FixtureRequest, settings: dict[str, str], sandbox: Sandbox, connect: Connect
) -> Callable[[CuttingProxy], Sandbox]:
    return lambda proxy: (
        connect(direct="never", url=proxy.url)
        if request.param == "never"
        else connect(direct="always", direct_url=proxy.url)
    )


@pytest.fixture
def proxy(request: pytest.FixtureRequest, settings: dict[str, str], sandbox: Sandbox) -> CuttingProxy:
    by_edge = "straight" in request.node.name
    made = CuttingProxy(sandbox.direct_url or "" if by_edge else settings["url"])
    request.addfinalizer(made.close)
    return made


def test_output_goes_on_by_offset_when_the_connection_was_cut(
    broken: Callable[[CuttingProxy], Sandbox], proxy: CuttingProxy
) -> None:
    text = ""
    with broken(proxy).start(_COUNT) as counting:
        for event in counting:
            text += event.text
            if "0\n" in event.text:
                proxy.cut()
    assert text == _COUNTED
    result = counting.wait()
    assert (result.exit_code, result.stdout, result.lost_bytes) == (0, _COUNTED, 0)


def test_what_is_typed_while_the_connection_is_cut_comes_once(
    broken: Callable[[CuttingProxy], Sandbox], proxy: CuttingProxy
) -> None:
    with broken(proxy).start(["cat"], stdin=True) as cat:
        for word in "abc":
            proxy.cut()
            cat.stdin.write(word)
        cat.stdin.close()
        assert cat.wait().stdout == "abc"


def test_files_go_on_where_the_connection_was_cut(broken: Callable[[CuttingProxy], Sandbox], proxy: CuttingProxy) -> None:
    data = bytes(range(256)) * 12_000
    files = broken(proxy).files
    proxy.cut_after(1_500_000)
    assert files.write("cut.bin", data).size == len(data)
    proxy.cut_after(1_500_000)
    assert files.read("cut.bin") == data


def test_a_file_that_was_changed_while_it_was_read_is_not_mixed(
    broken: Callable[[CuttingProxy], Sandbox], proxy: CuttingProxy, sandbox: Sandbox
) -> None:
    sandbox.files.write("changing.bin", b"a" * 3_000_000)
    proxy.cut_after(500_000)
    with closing(broken(proxy).files.stream("changing.bin")) as parts, pytest.raises(ConflictError) as caught:
        assert next(parts)
        sandbox.files.write("changing.bin", b"b" * 3_000_000)
        for part in parts:
            assert b"b" not in part
    assert caught.value.reason == "FILE_CHANGED"


def test_logs_are_followed_over_a_cut_without_a_line_lost_or_twice(
    broken: Callable[[CuttingProxy], Sandbox], proxy: CuttingProxy, sandbox: Sandbox
) -> None:
    ids = [f"log-{number}-{proxy.url.rsplit(':')[-1]}" for number in range(3)]
    wanted = [f"{process_id} {what}" for process_id in ids for what in ("started", "exited")]
    left = iter(ids)
    seen: list[str] = []
    sandbox.exec("true", process_id=next(left))
    for entry in broken(proxy).logs(sources=["agent"], follow=True):
        if entry.process_id in ids:
            seen.append(f"{entry.process_id} {'started' if 'started' in entry.text else 'exited'}")
            proxy.cut()
            if seen[-1].endswith("exited") and (process_id := next(left, None)):
                sandbox.exec("true", process_id=process_id)
        if len(seen) == len(wanted):
            break
    assert seen == wanted


def test_lines_of_processes_come_once_and_in_order_over_cuts_however_many_come_at_once(
    broken: Callable[[CuttingProxy], Sandbox], proxy: CuttingProxy, sandbox: Sandbox
) -> None:
    name = f"burst-{proxy.url.rsplit(':')[-1]}"
    burst = "for i in $(seq 4); do seq -f out%g-$i 20; seq -f err%g-$i 20 >&2; sleep 0.1; done"
    sandbox.start(burst, process_id=name)
    seen: dict[str, list[str]] = {"stdout": [], "stderr": []}
    for count, entry in enumerate(entry for entry in broken(proxy).logs(follow=True) if entry.process_id == name):
        if count % 40 == 0:
            proxy.cut()
        if entry.source == "process":
            seen[entry.label].append(entry.text)
        if sum(map(len, seen.values())) == 160:
            break
    for label, lines in seen.items():
        assert lines == [f"{label[-3:]}{line}-{part}" for part in range(1, 5) for line in range(1, 21)]


def test_an_edge_that_goes_away_is_left_for_the_control_plane(sandbox: Sandbox, connect: Connect) -> None:
    assert sandbox.direct_url is not None
    with CuttingProxy(sandbox.direct_url) as proxy:
        direct = connect(direct_url=proxy.url)
        text = ""
        with direct.start(_COUNT) as counting:
            for event in counting:
                text += event.text
                if event.text.endswith("20\n"):
                    proxy.close()
            assert text == _COUNTED and counting.wait().lost_bytes == 0
    assert direct.exec("echo on").stdout == "on\n"


def test_a_call_that_may_not_be_repeated_is_where_its_connection_was_refused(sandbox: Sandbox, connect: Connect) -> None:
    assert sandbox.direct_url is not None
    proxy = CuttingProxy(sandbox.direct_url)
    direct = connect(direct_url=proxy.url)
    direct.files.write("a.txt", "a")
    proxy.close()
    direct.files.move("a.txt", "b.txt")
    assert direct.files.read_text("b.txt") == "a"


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "not_found", ErrorReason.SANDBOX_NOT_FOUND),
        (401, "unauthenticated", ErrorReason.CREDENTIAL_INVALID),
        (400, "failed_precondition", ErrorReason.SANDBOX_PAUSED),
        (409, "aborted", ErrorReason.SANDBOX_STATE_CONFLICT),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_sandbox_that_moved_on_is_reached_through_the_control_plane(
    connect: Connect, status: int, code: str, reason: ErrorReason
) -> None:
    with OtherEdge(status, code, reason) as edge:
        moved = connect(direct_url=edge.url)
        assert moved.exec("echo here").stdout == "here\n"
        assert edge.calls == ["Exec"] and moved.direct_url is None
        moved = connect(direct_url=edge.url)
        moved.files.write("large.bin", b"x" * 1_100_000)
        assert moved.files.read("large.bin") == b"x" * 1_100_000
        moved = connect(direct_url=edge.url)
        edge.calls.clear()
        if reason is ErrorReason.SANDBOX_STATE_CONFLICT:  # it may have begun there
            with pytest.raises(ConflictError):
                moved.files.move("large.bin", "moved.bin")
        moved.files.move("large.bin", "moved.bin")
        assert edge.calls == ["MoveFile"] and moved.files.exists("moved.bin")


def test_another_error_of_the_host_is_the_answer(connect: Connect) -> None:
    with OtherEdge(429, "resource_exhausted", ErrorReason.GUEST_LIMIT_EXCEEDED) as edge:
        with pytest.raises(DaytonahError) as caught:
            connect(direct_url=edge.url).files.exists("x")
    assert (caught.value.reason, edge.calls) == ("GUEST_LIMIT_EXCEEDED", ["StatFile"])


def test_always_insists_on_the_direct_path(sandbox: Sandbox, connect: Connect, settings: dict[str, str]) -> None:
    nowhere = connect(direct="always", direct_url="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(UnavailableError, match="edge at http://127.0.0.1:9 can't be reached"):
        nowhere.exec("true")
    far = connect(direct="always", url="http://platform.test:3000", direct_url="http://127.0.0.1:9")
    with pytest.raises(ConflictError, match="can't be reached directly"):
        far.exec("true")


def test_leaving_a_loop_closes_its_connection(connect: Connect, settings: dict[str, str]) -> None:
    with CuttingProxy(settings["url"]) as proxy:
        watched = connect(direct="never", url=proxy.url)
        for _ in watched.ports.watch():
            break
        assert proxy.wait_until_unused()
        process = watched.start("sleep 600")
        assert proxy.wait_until_used()
        process.detach()
        assert proxy.wait_until_unused()
        process.kill("SIGKILL")


def test_a_source_that_breaks_ends_what_it_was_for(sandbox: Sandbox) -> None:
    def source() -> Iterator[bytes]:
        yield b"one\n"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        sandbox.exec(["cat"], stdin=source(), tag="fed")
    assert [info for info in sandbox.processes() if info.tag == "fed"] == []
    with pytest.raises(RuntimeError, match="no more"):
        sandbox.files.write("fed.txt", source())
    assert not sandbox.files.exists("fed.txt")
    with pytest.raises(RuntimeError, match="no more"):
        sandbox.files.write_archive("fed", source())


def test_ctrl_c_ends_a_wait_at_once_and_kills_the_program(sandbox: Sandbox, connect: Connect) -> None:
    observer = connect()

    def interrupt() -> None:
        while not [info for info in observer.processes() if info.tag == "interrupted"]:
            pass
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        sandbox.exec("exec sleep 50", tag="interrupted", process_id="interrupted")
    interrupting.join()
    assert sandbox.attach("interrupted").wait().signal == "SIGKILL"


def test_a_stream_that_falls_silent_is_broken_off(sandbox: Sandbox) -> None:
    plane = sandbox._plane
    call, request = plane.way().ports.watch_ports, WatchPortsRequest()
    with closing(plane.connection.stream(call, request, plane.headers, longest_silence=0.5)) as answers:
        assert next(answers) is not None
        time.sleep(0.7)  # a reader may take his time
        with pytest.raises(UnavailableError, match="fell silent"):
            next(answers)


def test_a_call_takes_no_longer_than_it_may(connect: Connect) -> None:
    with pytest.raises(DeadlineError):
        connect(timeout=0.001, direct="never").files.exists("x")
