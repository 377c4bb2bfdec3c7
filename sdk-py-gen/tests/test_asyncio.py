"""The asyncio flavour: the blocking one is made from it and tested whole, so this looks at what only asyncio can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest
from cutting_proxy import CuttingProxy
from daytonah import AsyncClient, AsyncSandbox, NotFoundError, Sandbox, UnavailableError
from daytonah._gen.daytonah.v1.port_pb import WatchPortsRequest

Work = Callable[[AsyncSandbox], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture
def run(settings: dict[str, str], sandbox: Sandbox) -> Run:
    """Runs a coroutine with the shared sandbox, as a client of its own loop."""

    def run_in_loop(work: Work, **options: object) -> None:
        async def main() -> None:
            client = AsyncClient(**{**settings, "retry_delay": 0.02, **options})  # type: ignore[arg-type]
            found = await AsyncSandbox.connect(
                sandbox.id, access_token=sandbox.access_token, direct_url=sandbox.direct_url, client=client
            )
            await asyncio.wait_for(work(found), 60)

        asyncio.run(main())

    return run_in_loop


def test_many_programs_run_at_once(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        results = await asyncio.gather(*(sandbox.exec(["echo", str(number)]) for number in range(20)))
        assert [result.stdout for result in results] == [f"{number}\n" for number in range(20)]

    run(work)


def test_output_is_iterated_while_several_tasks_write(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        async with await sandbox.start(["cat"], stdin=True) as cat:

            async def talk() -> None:
                await asyncio.gather(*(cat.stdin.write(f"{word}\n") for word in ("one", "two", "three")))
                await cat.stdin.close()

            talking = asyncio.create_task(talk())
            text = "".join([event.text async for event in cat])
            await talking
            assert sorted(text.splitlines()) == ["one", "three", "two"]
            assert (await cat.wait()).exit_code == 0

    run(work)


def test_a_cancelled_wait_leaves_the_program_running_and_a_cancelled_exec_kills_it(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        process = await sandbox.start("sleep 1; echo done")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.exec("exec sleep 600", process_id="cancelled"), 2)
        assert (await (await sandbox.attach("cancelled")).wait()).signal == "SIGKILL"
        again = await sandbox.attach(process.id)
        assert (await again.wait()).stdout == "done\n"

    run(work)


def test_cancelling_a_task_closes_what_it_opened(run: Run, settings: dict[str, str]) -> None:
    with CuttingProxy(settings["url"]) as proxy:

        async def work(sandbox: AsyncSandbox) -> None:
            async def follow() -> None:
                async for _ in sandbox.logs(follow=True):
                    pass

            following = asyncio.create_task(follow())
            assert await asyncio.to_thread(proxy.wait_until_used)
            following.cancel()
            with pytest.raises(asyncio.CancelledError):
                await following
            assert await asyncio.to_thread(proxy.wait_until_unused)

        run(work, url=proxy.url, direct="never")


def test_a_stream_goes_on_over_a_cut(run: Run, settings: dict[str, str]) -> None:
    with CuttingProxy(settings["url"]) as proxy:

        async def work(sandbox: AsyncSandbox) -> None:
            text = ""
            async with await sandbox.start("for i in 1 2 3; do echo $i; sleep 0.2; done") as process:
                async for event in process:
                    text += event.text
                    proxy.cut()
            assert text == "1\n2\n3\n"

        run(work, url=proxy.url, direct="never")


def test_a_stream_that_falls_silent_is_broken_off(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        plane = sandbox._plane
        call, request = (await plane.way()).ports.watch_ports, WatchPortsRequest()
        async with aclosing(plane.connection.stream(call, request, plane.headers, longest_silence=0.3)) as answers:
            assert await anext(answers) is not None
            with pytest.raises(UnavailableError, match="fell silent"):
                await anext(answers)

    run(work)


def test_files_go_in_and_out(run: Run) -> None:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 700_000

    async def work(sandbox: AsyncSandbox) -> None:
        files = sandbox.files
        await files.write("async.txt", ["a", b"b", "c"])
        assert await files.read_text("async.txt") == "abc"
        assert (await files.write("async.bin", source())).size == 2_100_000
        parts = [part async for part in files.stream("async.bin", offset=1_000_000)]
        assert b"".join(parts) == b"x" * 1_100_000
        archive = [part async for part in files.read_archive(".", names=["async.txt"])]
        assert (await files.write_archive("copy", iter(archive))).entries == 1
        with pytest.raises(NotFoundError):
            await files.stat("none")

    run(work)


def test_a_terminal_shows_what_is_typed(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        async with await sandbox.pty(["sh"]) as pty:
            await pty.write("echo wo''rd; exit\n")
            assert b"word" in b"".join([data async for data in pty])
            assert (await pty.wait()).exit_code == 0

    run(work)


def test_calls_of_one_client_may_come_from_one_loop_after_another(settings: dict[str, str], sandbox: Sandbox) -> None:
    client = AsyncClient(**settings)

    async def main() -> str:
        found = await AsyncSandbox.connect(
            sandbox.id, access_token=sandbox.access_token, direct_url=sandbox.direct_url, client=client
        )
        return (await found.exec("echo again")).stdout

    assert [asyncio.run(main()), asyncio.run(main())] == ["again\n", "again\n"]
