"""The asyncio flavour: the blocking one is made from it and tested whole, so this looks at what only asyncio can do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from daytonah import AsyncClient, AsyncSandbox, NotFoundError, Sandbox

Work = Callable[[AsyncSandbox], Awaitable[None]]
Run = Callable[[Work], None]


@pytest.fixture
def run(settings: dict[str, str], sandbox: Sandbox) -> Run:
    """Runs a coroutine with the shared sandbox, as a client of its own loop."""

    def run_in_loop(work: Work) -> None:
        async def main() -> None:
            found = await AsyncSandbox.connect(
                sandbox.id, access_token=sandbox.access_token, client=AsyncClient(**settings)
            )
            await asyncio.wait_for(work(found), 60)

        asyncio.run(main())

    return run_in_loop


def test_many_programs_run_at_once(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        results = await asyncio.gather(*(sandbox.exec(["echo", str(number)]) for number in range(20)))
        assert [result.stdout for result in results] == [f"{number}\n" for number in range(20)]

    run(work)


def test_output_is_iterated_while_another_task_writes(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        async with await sandbox.start(["cat"], stdin=True) as cat:

            async def talk() -> None:
                for word in ("one", "two", "three"):
                    await cat.stdin.write(f"{word}\n")
                await cat.stdin.close()

            talking = asyncio.create_task(talk())
            text = "".join([event.text async for event in cat])
            await talking
            assert text == "one\ntwo\nthree\n"
            assert (await cat.wait()).exit_code == 0

    run(work)


def test_a_cancelled_wait_leaves_the_program_running(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        process = await sandbox.start("sleep 2; echo done")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.2)
        again = await sandbox.attach(process.id)
        assert (await again.wait()).stdout == "done\n"

    run(work)


def test_files_go_in_and_out(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        await sandbox.files.write("async.txt", ["a", b"b", "c"])
        assert await sandbox.files.read_text("async.txt") == "abc"
        with pytest.raises(NotFoundError):
            await sandbox.files.stat("none")

    run(work)


def test_a_terminal_shows_what_is_typed(run: Run) -> None:
    async def work(sandbox: AsyncSandbox) -> None:
        async with await sandbox.pty(["sh"]) as pty:
            await pty.write("echo wo''rd; exit\n")
            assert b"word" in b"".join([data async for data in pty])
            assert await pty.wait() == 0

    run(work)
