"""The blocking flavour against a real platform with real microVMs."""

from __future__ import annotations

import pytest
from daytonah import Client, CommandFailedError, InvalidArgumentError, NotFoundError, Sandbox


def test_a_program_runs_and_says_how_it_ended(sandbox: Sandbox) -> None:
    result = sandbox.exec(["python3", "-c", "print(6 * 7)"])
    assert (result.exit_code, result.stdout, result.stderr, result.truncated) == (0, "42\n", "", False)
    failed = sandbox.exec("echo out; echo err >&2; exit 7")
    assert (failed.exit_code, failed.stdout, failed.stderr) == (7, "out\n", "err\n")
    with pytest.raises(CommandFailedError, match="exit code 7: err"):
        sandbox.exec("echo err >&2; exit 7", check=True)


def test_environment_folder_user_input_and_timeout(sandbox: Sandbox) -> None:
    where = sandbox.exec("echo $GREETING $X; pwd; id -un", env={"X": "1"}, cwd="/tmp", user="root")
    assert where.stdout == "hello 1\n/tmp\nroot\n"
    assert sandbox.exec(["sort"], stdin="b\na\n").stdout == "a\nb\n"
    assert sandbox.exec(["sleep", "600"], timeout=0.3).timed_out


def test_more_input_than_a_program_reads_is_no_error(sandbox: Sandbox) -> None:
    assert sandbox.exec("head -c 3", stdin=b"x" * 3_000_000).stdout == "xxx"


def test_input_and_output_of_more_than_a_buffer_do_not_wait_for_each_other(sandbox: Sandbox) -> None:
    result = sandbox.exec(["cat"], stdin=(b"%07d\n" % number for number in range(400_000)))
    assert result.stdout_bytes == b"".join(b"%07d\n" % number for number in range(400_000))


def test_output_comes_as_it_is_written_and_a_process_that_was_left_is_attached_to_again(sandbox: Sandbox) -> None:
    process = sandbox.start("echo before; sleep 1; echo after")
    for event in process:
        assert (event.stream, event.text) == ("stdout", "before\n")
        break
    process.detach()
    again = sandbox.attach(process.id)
    assert [event.text for event in again] == ["before\n", "after\n"]
    assert again.wait().exit_code == 0
    assert process.wait().stdout == "before\nafter\n"


def test_a_program_is_written_to_signalled_and_listed(sandbox: Sandbox) -> None:
    with sandbox.start(["cat"], stdin=True, tag="cats") as cat:
        cat.stdin.write("one\n")
        assert next(iter(cat)).text == "one\n"
        assert [info.tag for info in sandbox.processes() if info.id == cat.id] == ["cats"]
        cat.kill()
        result = cat.wait()
    assert (result.exit_code, result.signal) == (143, "SIGTERM")


def test_a_terminal_is_typed_into_resized_left_and_found_again(sandbox: Sandbox) -> None:
    with sandbox.pty(["sh"], columns=100, rows=30) as pty:
        pty.write("stty size; echo do''ne\n")
        assert b"30 100" in _until(pty, b"done")
        pty.resize(120, 40)
        pty.write("stty size; echo ag''ain\n")
        assert b"40 120" in _until(pty, b"again")
    with sandbox.attach_pty(pty.id) as found:
        found.write("exit 3\n")
        shown = b"".join(found)
        assert b"30 100" in shown and b"40 120" in shown
        assert found.wait().exit_code == 3


def test_files_of_every_size_go_in_and_out(sandbox: Sandbox) -> None:
    files = sandbox.files
    files.write("notes/a.txt", "héllo")
    assert files.read_text("notes/a.txt") == "héllo"
    big = bytes((at * 31 + (at >> 8)) & 255 for at in range(3_500_000))
    info = files.write("big.bin", big, mode=0o600)
    assert (info.size, info.type, info.mode) == (len(big), "file", 0o600)
    assert files.read("big.bin") == big
    assert b"".join(files.stream("big.bin", offset=1_000_000, length=5)) == big[1_000_000:1_000_005]
    assert not files.exists("nope")
    with pytest.raises(NotFoundError) as caught:
        files.read("nope")
    assert caught.value.reason == "FILE_NOT_FOUND" and caught.value.next_step


def test_directories_are_made_listed_moved_searched_and_removed(sandbox: Sandbox) -> None:
    files = sandbox.files
    files.mkdir("tree/a/b")
    files.write("tree/a/b/one.py", "import os\nprint('needle')\n")
    files.write("tree/two.txt", "hay\nNeedle\n")
    assert [info.name for info in files.list("tree", depth=4)] == ["a", "b", "one.py", "two.txt"]
    assert [info.name for info in files.find("tree", name="*.py")] == ["one.py"]
    found = files.search("tree", "needle", ignore_case=True)
    assert [(match.line, match.text) for match in found] == [(2, "print('needle')"), (2, "Needle")]
    done = files.replace(["tree/two.txt", "tree/none"], "Needle", "pin")
    assert [(one.replacements, one.failure_reason) for one in done] == [(1, None), (0, "FILE_NOT_FOUND")]
    changed = files.set_attributes("tree/two.txt", mode=0o640, xattrs={"note": b"x"})
    assert changed.mode == 0o640
    files.move("tree/two.txt", "tree/c/three.txt")
    assert files.read_text("tree/c/three.txt") == "hay\npin\n"
    files.remove("tree", recursive=True)
    files.remove("tree", missing_ok=True)
    assert not files.exists("tree")


def test_changes_below_a_directory_are_told(sandbox: Sandbox) -> None:
    files = sandbox.files
    files.mkdir("watched")
    seen = []
    for change in files.watch("watched", recursive=True):
        if change.kind == "ready":
            files.write("watched/new/file.txt", "x")
        seen.append((change.kind, change.path))
        if change.path == "new/file.txt":
            break
    assert seen[0] == ("ready", "")
    assert ("created", "new") in seen


def test_errors_say_which_rule_and_what_to_do(client: Client) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Sandbox.create(memory_mib=1, client=client)
    error = caught.value
    assert (error.code, error.reason) == ("invalid_argument", "FIELD_INVALID")
    assert [violation.field for violation in error.violations] == ["resources.memory_mib"]
    assert error.next_step and error.request_id


def test_sandboxes_are_found_by_their_labels_and_by_their_own_token(client: Client, sandbox: Sandbox) -> None:
    sandbox.update(set_metadata={"user": "7"})
    found = [info.id for info in Sandbox.list(metadata={"test": "sdk-py", "user": "7"}, client=client)]
    assert found == [sandbox.id]
    own = Sandbox.connect(sandbox.id, access_token=sandbox.access_token, client=Client(client.url, "dnah_none"))
    assert own.exec("echo ok").stdout == "ok\n"
    with pytest.raises(NotFoundError):
        Sandbox.connect("a" * 20, client=client)


def _until(pty: object, wanted: bytes) -> bytes:
    shown = b""
    for data in pty:  # type: ignore[attr-defined]
        shown += data
        if wanted in shown:
            return shown
    raise AssertionError(f"the terminal closed after {shown!r}")
