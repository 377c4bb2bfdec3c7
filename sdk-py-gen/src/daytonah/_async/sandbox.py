"""A microVM of its own for code you do not trust."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Self

from protobuf.wkt import Timestamp

from .._exec_request import random_id
from .._from_wire import metrics_of, wire_value_of
from .._gen.daytonah.v1 import monitoring_pb, sandbox_pb
from .._life_wire import lifecycle_to_wire, sandbox_info_of, stage_times_of
from .._options import LIFE_TIMEOUT
from ..errors import NotFoundError
from ..life_models import Lifecycle
from ..models import LogEntry, Metrics, SandboxInfo, StageTime
from .client import AsyncClient, default_client
from .data_plane import AsyncDataPlane
from .files import AsyncFiles
from .life import AsyncLife
from .logs import read_logs
from .pages import pages
from .ports import AsyncPorts
from .programs import AsyncPrograms


class AsyncSandbox(AsyncPrograms, AsyncLife):
    """A microVM of its own for code you do not trust.

    ```python
    async with await AsyncSandbox.create() as sandbox:  # deleted at the end of the block
        result = await sandbox.exec(["python3", "-c", "print(6 * 7)"])
        print(result.exit_code, result.stdout)
    ```
    """

    def __init__(self, plane: AsyncDataPlane, stages: Sequence[StageTime] = ()) -> None:
        """Use `create` or `connect`."""
        AsyncLife.__init__(self, plane, stages)
        self.files = AsyncFiles(plane)
        """Its files."""
        self.ports = AsyncPorts(plane)
        """Its TCP ports."""

    @property
    def access_token(self) -> str | None:
        """Credential for this sandbox's processes, files, ports, metrics and logs alone; None after `connect` without it."""
        return self._plane.access_token

    @property
    def direct_url(self) -> str | None:
        """Origin of its host's edge as last heard of; None where there is none, or after `connect` without it."""
        return self._plane.direct_url

    @classmethod
    async def create(
        cls,
        template: str = "",
        *,
        snapshot_id: str = "",
        vcpus: int = 0,
        memory_mib: int = 0,
        disk_mib: int = 0,
        env: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        lifecycle: Lifecycle | None = None,
        idempotency_key: str = "",
        timeout: float = LIFE_TIMEOUT,
        client: AsyncClient | None = None,
    ) -> Self:
        """Makes a sandbox; returns when programs can run in it.

        Args:
            template: Name of a template; "base" where empty.
            snapshot_id: Goes on from this snapshot's memory and disk, as another machine; instead of a template, and with the
                snapshot's sizes.
            vcpus: Virtual CPUs, 1 to 64; 1 where 0.
            memory_mib: Memory, 128 to 262,144 MiB; 512 where 0.
            disk_mib: Root disk, up to 1,048,576 MiB; the template's own size where 0, never less.
            env: Environment of every process.
            metadata: Your labels, 64 at most, to find it by.
            lifecycle: When it ends or pauses by itself; never where None.
            idempotency_key: The same key again, within a day, gives the same sandbox, also after a crash of the platform. With it
                the call is repeated where the connection breaks.
            timeout: Longest wait, seconds.

        Raises an InvalidArgumentError or NotFoundError for wrong options, a CapacityError where no host has room, a LimitError
        over your quota, a PlatformError (BOOT_FAILED) where the VM did not come up. Needs scope `sandboxes:write`.
        """
        client = client or default_client()
        request = sandbox_pb.CreateSandboxRequest(
            template=template,
            resources=sandbox_pb.Resources(vcpus=vcpus, memory_mib=memory_mib, disk_mib=disk_mib),
            env=dict(env or {}),
            metadata=dict(metadata or {}),
            idempotency_key=idempotency_key,
            snapshot_id=snapshot_id,
            lifecycle=lifecycle_to_wire(lifecycle),
        )
        connection = client.connection
        answer = await connection.unary(
            connection.sandboxes.create_sandbox, request, repeatable=idempotency_key != "", timeout=timeout
        )
        return cls._made(connection, answer.sandbox, answer.access_token, stage_times_of(answer.stages))

    @classmethod
    async def connect(
        cls,
        sandbox_id: str,
        *,
        access_token: str | None = None,
        direct_url: str | None = None,
        client: AsyncClient | None = None,
    ) -> Self:
        """A sandbox that is there already. With an API key the platform is asked for it first: a NotFoundError where it is not.

        Args:
            access_token: The sandbox's own credential, `sandbox.access_token` of whoever created it; then nothing is asked of the
                platform, and no API key is needed for processes, files, ports, metrics and logs.
            direct_url: Origin of its host's edge, `sandbox.direct_url` of whoever created it. Used with `access_token` alone.
        """
        connection = (client or default_client()).connection
        sandbox = cls(AsyncDataPlane(connection, sandbox_id, access_token, direct_url))
        if access_token is None:
            await sandbox.info()
        return sandbox

    @classmethod
    def list(
        cls,
        *,
        states: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        client: AsyncClient | None = None,
    ) -> AsyncGenerator[SandboxInfo, None]:
        """Your organization's sandboxes, newest first; only those in these states ("running" …) and with all these labels. Deleted
        ones are named only where asked for."""
        connection = (client or default_client()).connection
        wanted = [wire_value_of(sandbox_pb.SandboxState, state) for state in states]
        labels = dict(metadata or {})

        async def fetch(token: str) -> tuple[Sequence[SandboxInfo], str]:
            request = sandbox_pb.ListSandboxesRequest(page_token=token, states=wanted, metadata=labels)
            answer = await connection.unary(connection.sandboxes.list_sandboxes, request, repeatable=True)
            return [*map(sandbox_info_of, answer.sandboxes)], answer.next_page_token

        return pages(fetch)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.kill()
        except NotFoundError:
            pass  # gone already

    async def info(self) -> SandboxInfo:
        """How the sandbox is now. Needs an API key."""
        request = sandbox_pb.GetSandboxRequest(sandbox_id=self.id)
        answer = await self._connection.unary(self._connection.sandboxes.get_sandbox, request, repeatable=True)
        return self._learn(answer.sandbox)

    async def update(
        self, *, set_metadata: Mapping[str, str] | None = None, remove_metadata: Iterable[str] = ()
    ) -> SandboxInfo:
        """Changes its labels: takes away, then sets; those that are not named stay. Needs scope `sandboxes:write`."""
        request = sandbox_pb.UpdateSandboxRequest(
            sandbox_id=self.id,
            set_metadata=dict(set_metadata or {}),
            remove_metadata=[*remove_metadata],
            idempotency_key=random_id(),
        )
        answer = await self._connection.unary(self._connection.sandboxes.update_sandbox, request, repeatable=True)
        return self._learn(answer.sandbox)

    async def rotate_access_token(self) -> str:
        """Ends the sandbox's access token, and with it every port and file address made so far and every call that came with
        it; answers with the new one. This object's own streams go on with the new one. Needs scope `sandboxes:write`."""
        request = sandbox_pb.RotateAccessTokenRequest(sandbox_id=self.id, idempotency_key=random_id())

        async def rotate() -> str:
            call = self._connection.sandboxes.rotate_access_token
            return (await self._connection.unary(call, request, repeatable=True)).access_token

        return await self._plane.change_token(rotate)

    async def metrics(
        self, *, start_time: datetime | None = None, end_time: datetime | None = None, history: bool = True
    ) -> Metrics:
        """CPU, memory, disk and network now, and how they were, in about the last hour.

        Args:
            start_time: Earliest sample of the history wanted; the oldest kept where None.
            end_time: Latest sample of the history wanted; now where None.
            history: False leaves the history out.
        """
        request = monitoring_pb.GetMetricsRequest(
            start_time=Timestamp.from_datetime(start_time) if start_time is not None else None,
            end_time=Timestamp.from_datetime(end_time) if end_time is not None else None,
            only_now=not history,
        )
        return metrics_of(await self._plane.unary(lambda way: way.monitoring.get_metrics, request, repeatable=True))

    def logs(
        self, *, sources: Iterable[str] = (), follow: bool = False, tail: int | None = None
    ) -> AsyncGenerator[LogEntry, None]:
        """Lines of the console, the agent and the processes; with `follow` also those to come.

        A broken connection is mended behind your back. Then lines of processes may come again: they are numbered by nobody. What
        must not be missed or doubled is read by `attach`.

        Args:
            sources: Only from these: "console", "agent", "process".
            tail: Of each source only so many of the last lines; all that are kept where None.

        ```python
        async for entry in sandbox.logs(follow=True, tail=20):
            print(entry.time, entry.source, entry.text)
        ```
        """
        return read_logs(self._plane, sources, follow, tail)
