"""One sandbox of a running platform (DNAH_TEST_URL, DNAH_TEST_API_KEY_FILE) for all tests of a flavour."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from daytonah import Client, Sandbox


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
