"""What happened to a sandbox, and what happens."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing

import pytest
from cutting_proxy import CuttingProxy
from daytonah import AsyncClient, Client, InvalidArgumentError, Sandbox


def test_what_is_kept_is_listed(client: Client, sandbox: Sandbox) -> None:
    first, second, *_ = client.events.list(sandbox_id=sandbox.id)
    assert [first.kind, second.kind] == ["sandbox.creating", "sandbox.running"]
    assert (first.sandbox_id, first.epoch) == (sandbox.id, 1)
    assert int(first.cursor) < int(second.cursor)
    assert next(client.events.list(cursor=first.cursor, sandbox_id=sandbox.id)) == second


def test_a_watch_goes_on_where_the_connection_was_cut(settings: dict[str, str], sandbox: Sandbox) -> None:
    with closing(CuttingProxy(settings["url"])) as proxy:
        client = Client(**{**settings, "url": proxy.url}, retry_delay=0.02)
        with closing(client.events.watch(cursor="0", sandbox_id=sandbox.id)) as events:
            assert next(events).kind == "sandbox.creating"
            proxy.cut()
            assert next(events).kind == "sandbox.running"


def test_a_cursor_that_was_never_given_is_refused(client: Client) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        next(client.events.watch(cursor="99999999999999999999"))
    assert refused.value.reason == "CURSOR_INVALID"


def test_the_same_for_asyncio(settings: dict[str, str], sandbox: Sandbox) -> None:
    async def first_kind() -> str:
        async with aclosing(AsyncClient(**settings).events.watch(cursor="0", sandbox_id=sandbox.id)) as events:
            return (await anext(events)).kind

    assert asyncio.run(first_kind()) == "sandbox.creating"
