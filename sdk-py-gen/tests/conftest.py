"""One sandbox of a running platform (DNAH_TEST_URL, DNAH_TEST_API_KEY_FILE) for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daytonah import Client, Sandbox

Connect = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def settings() -> dict[str, str]:
    try:
        url, key_file = os.environ["DNAH_TEST_URL"], os.environ["DNAH_TEST_API_KEY_FILE"]
    except KeyError as missing:
        raise RuntimeError(f"{missing} is not set: run this by `npm test`, which starts a platform.") from None
    return {"url": url, "api_key": Path(key_file).read_text().strip()}


@pytest.fixture(scope="session")
def client(settings: dict[str, str]) -> Client:
    return Client(**settings)


@pytest.fixture(scope="session")
def sandbox(client: Client) -> Iterator[Sandbox]:
    with Sandbox.create(env={"GREETING": "hello"}, metadata={"test": "sdk-py"}, client=client) as made:
        yield made


@pytest.fixture
def connect(settings: dict[str, str], sandbox: Sandbox) -> Connect:
    """The shared sandbox by another client; `direct_url` says where its host's edge is to be looked for."""

    def connect_by(*, direct_url: str | None = None, **options: Any) -> Sandbox:
        client = Client(**{**settings, "retry_delay": 0.02, **options})
        edge = direct_url or sandbox.direct_url
        found = Sandbox.connect(sandbox.id, access_token=sandbox.access_token, direct_url=edge, client=client)
        if client.connection.options.direct != "never" and edge is not None:
            client.connection.direct_ways.awaited(edge)  # the look is over
        return found

    return connect_by


@pytest.fixture(params=["never", "always"], ids=["through the control plane", "straight to the host"])
def by_way(request: pytest.FixtureRequest, connect: Connect) -> Sandbox:
    """The shared sandbox, by each of the two ways."""
    return connect(direct=request.param)
