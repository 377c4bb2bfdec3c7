"""The data plane through the control plane, and straight to the sandbox's host."""

from __future__ import annotations

import io
import tarfile
import time
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from conftest import Connect
from daytonah import Client, NotFoundError, Sandbox


def test_a_program_is_attached_to_and_signalled_by_its_id_its_tag_and_its_pid(by_way: Sandbox) -> None:
    with by_way.start("echo up; exec sleep 600", tag="server", env={"A": "b"}, replay_bytes=65536) as server:
        pass
    for found in (by_way.attach(server.id), by_way.attach(tag="server"), by_way.attach(pid=server.pid)):
        with found:
            assert (found.id, found.pid, next(iter(found)).text) == (server.id, server.pid, "up\n")
    (info,) = [info for info in by_way.processes() if info.tag == "server"]
    assert (info.id, info.env, info.pty, info.exited) == (server.id, {"A": "b"}, None, None)
    by_way.signal(tag="server", signal="SIGINT")
    ended = by_way.attach(server.id, from_offset=3).wait()
    assert (ended.signal, ended.exit_code, ended.stdout) == ("SIGINT", 130, "")
    with pytest.raises(NotFoundError) as caught:
        by_way.signal(tag="server")
    assert caught.value.reason == "PROCESS_NOT_FOUND"
    with pytest.raises(ValueError, match="exactly one"):
        by_way.attach(server.id, pid=1)


def test_a_terminal_is_taken_up_again_from_where_it_was_left(by_way: Sandbox) -> None:
    with by_way.pty(["sh", "-c", "echo $TERM; read x; echo got $x; exit 5"], rows=20, tag="shell") as pty:
        shown = b""
        while b"\n" not in shown:
            shown += next(iter(pty))
        assert shown == b"xterm-256color\r\n"
    with by_way.attach_pty(tag="shell", from_offset=pty.offset) as again:
        again.write("it\n")
        assert b"".join(again).endswith(b"got it\r\n")
        assert (again.pid, again.wait().exit_code, again.lost_bytes) == (pty.pid, 5, 0)


def test_the_environment_of_later_programs_is_changed(by_way: Sandbox) -> None:
    by_way.set_environment({"STAGE": "test", "OLD": "1"})
    assert by_way.set_environment(unset=["OLD"])["STAGE"] == "test"
    assert "OLD" not in by_way.environment()
    assert by_way.exec("echo $STAGE$OLD").stdout == "test\n"


def test_changes_are_told_on_asking(by_way: Sandbox) -> None:
    by_way.files.mkdir("asked")
    with by_way.files.create_watch("asked", recursive=True) as watch:
        assert watch.read() == []
        by_way.files.write("asked/new.txt", "x")
        seen: list[tuple[str, str]] = []
        deadline = time.monotonic() + 10
        while ("created", "new.txt") not in seen:
            assert time.monotonic() < deadline, seen
            seen += [(change.kind, change.path) for change in watch.read()]
    by_way.files.remove("asked", recursive=True)


def test_an_archive_goes_in_and_out(by_way: Sandbox) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("folder/hello.txt")
        member.size = 6
        tar.addfile(member, io.BytesIO(b"hello\n"))
    for archive in (packed.getvalue(), io.BytesIO(packed.getvalue()), iter([packed.getvalue()[:700], packed.getvalue()[700:]])):
        written = by_way.files.write_archive("unpacked", archive)
        assert (written.entries, written.bytes) == (1, 6)
        assert by_way.files.read_text("unpacked/folder/hello.txt") == "hello\n"
        by_way.files.remove("unpacked/folder", recursive=True)
    by_way.files.write("unpacked/two.txt", "2")
    by_way.files.write("unpacked/one.txt", "1")
    content = b"".join(by_way.files.read_archive("unpacked", names=["two.txt"]))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert [name.removeprefix("./") for name in tar.getnames()] == ["two.txt"]
    with pytest.raises(NotFoundError):
        b"".join(by_way.files.read_archive("nowhere"))


def test_a_signed_address_lets_a_stranger_read_a_file_or_write_it(by_way: Sandbox) -> None:
    by_way.files.write("signed.txt", "signed")
    read = by_way.files.url("signed.txt")
    write = by_way.files.url("signed.txt", operation="write", ttl=60)
    assert datetime.now(UTC) < write.expire_time < datetime.now(UTC) + timedelta(seconds=90) < read.expire_time
    for address in (read.url, read.direct_url):
        assert address is not None
        with urlopen(address) as answer:
            assert answer.read() == b"signed"
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(address, data=b"x", method="PUT"))
        refused.value.close()
    with urlopen(Request(write.url, data=b"by a stranger", method="PUT")):
        pass
    assert by_way.files.read_text("signed.txt") == "by a stranger"


def test_ports_are_told_as_they_open_and_have_addresses(by_way: Sandbox) -> None:
    with by_way.start(["python3", "-m", "http.server", "7000", "--bind", "127.0.0.1"]) as server:
        for ports in by_way.ports.watch():
            if found := [port for port in ports if port.port == 7000]:
                break
        assert (found[0].address, found[0].pid) == ("127.0.0.1", server.pid)
        assert found[0] in by_way.ports.list()
        server.kill("SIGKILL")
        server.wait()
    address = by_way.ports.url(7000, ttl=60)
    assert f"7000-{by_way.id}" in address.url and address.token in address.url


def test_metrics_and_logs_say_what_went_on(by_way: Sandbox) -> None:
    metrics = by_way.metrics()
    assert 0 < metrics.now.memory_used_bytes < metrics.now.memory_total_bytes
    assert (metrics.now.cpu_count, metrics.interval) == (1, 15.0)
    assert by_way.metrics(history=False).history == ()
    future = datetime.now(UTC) + timedelta(hours=1)
    assert by_way.metrics(start_time=future).history == ()
    by_way.exec("echo to the console > /dev/console; echo to the log", user="root", check=True)
    console = [entry.text for entry in by_way.logs(sources=["console"], tail=3)]
    assert "to the console" in console
    with closing(by_way.logs(sources=["process"], follow=True, tail=100)) as entries:
        entry = next(entry for entry in entries if entry.text == "to the log")
    assert (entry.source, entry.label) == ("process", "stdout") and entry.process_id


def test_a_large_file_goes_in_and_out_with_little_of_it_in_memory(connect: Connect) -> None:
    files = connect().files
    size, chunk = 20, bytes(range(256)) * 4096
    tracemalloc.start()
    try:
        assert files.write("large.bin", (chunk for _ in range(size))).size == size * len(chunk)
        uploading = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        received = 0
        for part in files.stream("large.bin"):
            assert part == (chunk * 2)[received % 256 :][: len(part)]
            received += len(part)
        downloading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received == size * len(chunk)
    assert uploading < 19 << 20  # two pieces of 8 MiB while one becomes the other
    assert downloading < 8 << 20
    assert b"".join(files.stream("large.bin", offset=5, length=3)) == chunk[5:8]
    files.remove("large.bin")


def test_labels_and_visibility_and_the_token_are_changed(settings: dict[str, str], sandbox: Sandbox) -> None:
    info = sandbox.update(set_metadata={"color": "blue"}, remove_metadata=["nothing"])
    assert info.metadata["color"] == "blue" and info.direct_url == sandbox.direct_url
    assert sandbox.ports.set_public(8080, True).public_ports == (8080,)
    assert sandbox.ports.set_public(8080, False).public_ports == ()
    old = sandbox.access_token
    follower = Sandbox.connect(sandbox.id, access_token=old, direct_url=sandbox.direct_url, client=Client(**settings))
    with sandbox.start("echo before; sleep 2; echo after") as process:
        assert next(iter(process)).text == "before\n"
        new = sandbox.rotate_access_token()
        assert new == sandbox.access_token != old
        assert process.wait().stdout == "before\nafter\n"
    with pytest.raises(Exception) as caught:
        follower.exec("true")
    assert getattr(caught.value, "reason", None) == "CREDENTIAL_INVALID"
