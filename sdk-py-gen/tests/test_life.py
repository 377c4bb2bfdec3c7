"""Pauses, snapshots, forks and roll backs of real microVMs; what a client says of templates, pools and hosts. Each call is made in
one of the two flavours: the blocking one is made from the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from daytonah import AsyncClient, AsyncSandbox, Client, ConflictError, DaytonahError, Lifecycle, NotFoundError, Sandbox


@pytest.fixture(scope="module")
def small(client: Client) -> Iterator[Sandbox]:
    """A sandbox whose memory is soon written down."""
    with Sandbox.create(memory_mib=128, client=client) as made:
        made.exec("echo first > /dev/shm/kept", check=True)
        yield made


def test_programs_and_an_open_stream_go_on_over_a_pause_and_calls_are_refused_meanwhile(small: Sandbox) -> None:
    edge = small.direct_url
    text = ""
    with small.start("for i in $(seq 15); do echo $i; sleep 0.1; done") as counting:
        for event in counting:
            text += event.text
            if text.endswith("3\n"):
                paused = small.pause()
                assert (paused.state, paused.memory_kept, small.pause().state) == ("paused", True, "paused")
                with pytest.raises(ConflictError) as refused:
                    small.exec("true")
                assert refused.value.reason == "SANDBOX_PAUSED"
                resumed = small.resume(lifecycle_timeout=600)
                assert (resumed.state, resumed.epoch) == ("running", paused.epoch + 1)
                assert resumed.lifecycle == Lifecycle(timeout=600) and resumed.end_time is not None
        assert counting.wait().lost_bytes == 0
    assert text == "".join(f"{number}\n" for number in range(1, 16))
    assert small.direct_url == edge  # heard of again


def test_a_snapshot_is_found_made_into_another_and_rolled_back_to(client: Client, small: Sandbox) -> None:
    snapshot = small.snapshot("first", metadata={"step": "1"})
    assert (snapshot.name, snapshot.state, snapshot.memory_kept) == ("first", "ready", True)
    assert client.snapshots.get(snapshot.id) == snapshot
    small.exec("echo second > /dev/shm/kept", check=True)
    lifecycle = Lifecycle(timeout=600, on_timeout="delete", idle_timeout=300, auto_resume=True)
    with Sandbox.create(snapshot_id=snapshot.id, lifecycle=lifecycle, client=client) as made:
        assert "restore" in [stage.stage for stage in made.stages]
        assert made.info().lifecycle == lifecycle
        assert made.exec("cat /dev/shm/kept; hostname").stdout == f"first\n{made.id}\n"
        later = made.set_timeout(900).end_time
        assert later is not None and later > datetime.now(UTC) + timedelta(seconds=800)
        assert made.set_timeout(60, extend_only=True).end_time == later
        assert made.set_timeout(None).end_time is None
    assert small.roll_back(snapshot.id).snapshot_id == snapshot.id
    assert small.exec("cat /dev/shm/kept").stdout == "first\n"
    client.snapshots.delete(snapshot.id)
    with pytest.raises(NotFoundError) as gone:
        client.snapshots.get(snapshot.id)
    assert gone.value.reason == "SNAPSHOT_NOT_FOUND"


def test_forks_are_machines_of_their_own(settings: dict[str, str], small: Sandbox) -> None:
    async def main() -> None:
        client = AsyncClient(**settings, direct="never")
        parent = await AsyncSandbox.connect(small.id, client=client)
        with pytest.raises(ValueError, match="1 to 100"):
            await parent.fork_many(0)  # on the wire it means 1
        (child,) = await parent.fork_many(1, env={"WHO": "child"}, metadata={"test": "fork"})
        assert not isinstance(child, DaytonahError) and child.access_token not in (None, small.access_token)
        assert (await child.exec("cat /dev/shm/kept; echo $WHO; hostname")).stdout == f"first\nchild\n{child.id}\n"
        info = await child.info()
        assert (info.parent_id, info.metadata) == (parent.id, {"test": "fork"})
        assert child.id in [relative.sandbox_id for relative in (await parent.lineage()).children]
        assert [relative.sandbox_id for relative in (await child.lineage()).ancestors] == [parent.id]
        await AsyncSandbox.purge(child.id, client=client)
        with pytest.raises(NotFoundError):
            await AsyncSandbox.undelete(child.id, client=client)

    asyncio.run(main())


def test_a_sandbox_becomes_a_template(settings: dict[str, str], small: Sandbox) -> None:
    async def main() -> None:
        client = AsyncClient(**settings)
        made = await client.templates.create("sdk-py", small.id, description="of a test")
        assert (made.name, made.description) == ("sdk-py", "of a test")
        async with aclosing(client.templates.list()) as templates:
            assert made in [template async for template in templates]
        async with aclosing(client.snapshots.list(sandbox_id=small.id)) as snapshots:
            (kept,) = [snapshot async for snapshot in snapshots]
        assert (kept.id, kept.template_name) == (made.snapshot_id, "sdk-py")
        with pytest.raises(ConflictError) as in_use:
            await client.snapshots.delete(kept.id)
        assert in_use.value.reason == "RESOURCE_IN_USE"
        await client.templates.delete("sdk-py")
        with pytest.raises(NotFoundError):
            await client.snapshots.get(kept.id)

    asyncio.run(main())


def test_pools_are_set_listed_and_ended(client: Client) -> None:
    size = {"vcpus": 3, "memory_mib": 160}
    pool = client.pools.set(**size, min_ready=0, demand_window=60)
    assert (pool.template, pool.vcpus, pool.memory_mib, pool.demand_window) == ("base", 3, 160, 60.0)
    assert pool in client.pools.list()
    client.pools.delete(**size)
    with pytest.raises(NotFoundError):
        client.pools.delete(**size)


def test_hosts_are_listed_let_in_and_forgotten(client: Client, small: Sandbox) -> None:
    (host,) = [host for host in client.hosts.list() if host.id == small.info().host_id]
    assert (host.state, host.edge_url, host.draining) == ("ready", small.direct_url, False)
    assert 0 < host.memory_used_mib <= host.memory_mib
    token = client.hosts.create_join_token("another", ttl=60)
    assert token.token and datetime.now(UTC) < token.expire_time < datetime.now(UTC) + timedelta(seconds=90)
    with pytest.raises(ConflictError) as in_use:
        client.hosts.remove(host.id)
    assert in_use.value.reason == "RESOURCE_IN_USE"
    with pytest.raises(NotFoundError):
        client.hosts.remove("another")
