"""A microVM of its own for code you do not trust."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Literal, Self

from protobuf import Oneof
from protobuf.wkt import Duration

from .._from_wire import datetime_of, process_info_of, sandbox_info_of
from .._gen.daytonah.v1 import process_pb, sandbox_pb
from .._selector import selector_of
from .._waits import AsyncBackground
from ..errors import ConflictError, NotFoundError
from ..models import Command, ExecResult, PortUrl, ProcessInfo, SandboxInfo
from .client import AsyncClient, default_client
from .data_plane import AsyncDataPlane
from .files import AsyncFiles
from .process import AsyncProcess
from .pty import AsyncPty

_CREATE_TIMEOUT = 120.0
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024


class AsyncSandbox:
    """A microVM of its own for code you do not trust.

    ```python
    async with await AsyncSandbox.create() as sandbox:  # deleted at the end of the block
        result = await sandbox.exec(["python3", "-c", "print(6 * 7)"])
        print(result.exit_code, result.stdout)
    ```
    """

    def __init__(
        self, client: AsyncClient, sandbox_id: str, access_token: str | None, direct_url: str | None
    ) -> None:
        """Use `create` or `connect`."""
        self.id = sandbox_id
        """20 of [a-z0-9]."""
        self.access_token = access_token
        """Credential for this sandbox's processes and files alone; None after `connect` without it."""
        self._connection = client.connection
        self._plane = AsyncDataPlane(client.connection, sandbox_id, access_token, direct_url)
        self.files = AsyncFiles(self._plane)

    @classmethod
    async def create(
        cls,
        template: str = "",
        *,
        vcpus: int = 0,
        memory_mib: int = 0,
        disk_mib: int = 0,
        env: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str = "",
        timeout: float = _CREATE_TIMEOUT,
        client: AsyncClient | None = None,
    ) -> Self:
        """Makes a sandbox; returns when programs can run in it.

        Args:
            template: Name of a template; "base" where empty.
            vcpus: Virtual CPUs, 1 to 64; 1 where 0.
            memory_mib: Memory, 128 to 262,144 MiB; 512 where 0.
            disk_mib: Root disk; the template's own size where 0, never less.
            env: Environment of every process.
            metadata: Your labels, 64 at most, to find it by.
            idempotency_key: The same key again, within a day, gives the same sandbox, also after a crash of the platform.

        Raises an InvalidArgumentError or NotFoundError for wrong options, a CapacityError where no host has room, a LimitError
        over your quota, a PlatformError (BOOT_FAILED) where the VM did not come up.
        """
        client = client or default_client()
        request = sandbox_pb.CreateSandboxRequest(
            template=template,
            resources=sandbox_pb.Resources(vcpus=vcpus, memory_mib=memory_mib, disk_mib=disk_mib),
            env=dict(env or {}),
            metadata=dict(metadata or {}),
            idempotency_key=idempotency_key,
        )
        connection = client.connection
        answer = await connection.unary(
            connection.sandboxes.create_sandbox, request, repeatable=idempotency_key != "", timeout=timeout
        )
        info = sandbox_info_of(answer.sandbox)
        return cls(client, info.id, answer.access_token or None, info.direct_url)

    @classmethod
    async def connect(
        cls, sandbox_id: str, *, access_token: str | None = None, client: AsyncClient | None = None
    ) -> Self:
        """A sandbox that is there already. With an API key the platform is asked for it first: a NotFoundError where it is not."""
        client = client or default_client()
        sandbox = cls(client, sandbox_id, access_token, None)
        if access_token is None:
            await sandbox.info()
        return sandbox

    @classmethod
    async def list(
        cls,
        *,
        states: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        client: AsyncClient | None = None,
    ) -> AsyncIterator[SandboxInfo]:
        """Your organization's sandboxes, newest first; only those in these states ("running" …) and with all these labels."""
        connection = (client or default_client()).connection
        wanted = [sandbox_pb.SandboxState[state.upper()] for state in states]
        token = ""
        while True:
            request = sandbox_pb.ListSandboxesRequest(
                page_token=token, states=wanted, metadata=dict(metadata or {})
            )
            answer = await connection.unary(connection.sandboxes.list_sandboxes, request, repeatable=True)
            for sandbox in answer.sandboxes:
                yield sandbox_info_of(sandbox)
            token = answer.next_page_token
            if not token:
                return

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
        return sandbox_info_of(
            (await self._connection.unary(self._connection.sandboxes.get_sandbox, request, repeatable=True)).sandbox
        )

    async def update(
        self, *, set_metadata: Mapping[str, str] | None = None, remove_metadata: Iterable[str] = ()
    ) -> SandboxInfo:
        """Changes its labels; those that are not named stay."""
        request = sandbox_pb.UpdateSandboxRequest(
            sandbox_id=self.id, set_metadata=dict(set_metadata or {}), remove_metadata=[*remove_metadata]
        )
        answer = await self._connection.unary(self._connection.sandboxes.update_sandbox, request, repeatable=True)
        return sandbox_info_of(answer.sandbox)

    async def kill(self) -> None:
        """Deletes the sandbox; returns when its VM and disk are gone. Raises a NotFoundError where it is gone already."""
        request = sandbox_pb.DeleteSandboxRequest(sandbox_id=self.id, idempotency_key=os.urandom(16).hex())
        await self._connection.unary(self._connection.sandboxes.delete_sandbox, request, repeatable=True)

    async def exec(
        self,
        command: Command,
        *,
        stdin: str | bytes | Iterable[str | bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "",
        user: str = "",
        timeout: float | None = None,
        login: bool = False,
        tag: str = "",
        check: bool = False,
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> ExecResult:
        """Runs a program to its end. A string is a line for the shell, a list is program and arguments.

        Args:
            stdin: Fed to its standard input, which is empty where None.
            cwd: Working directory; the user's home where empty. "~" and relative paths count from the home.
            timeout: Ends the program after this, seconds: SIGTERM, and SIGKILL 5 s later.
            login: Reads the user's profile first. Only for a shell line.
            check: Raises a CommandFailedError unless it ends with exit code 0.
            max_output_bytes: Most bytes that are kept of each stream; the rest is dropped, and `truncated` is True.

        Raises an InvalidArgumentError for a program, user or directory that is not there, a SandboxDiedError where the VM ended.
        """
        process = await self.start(
            command,
            stdin=stdin is not None,
            env=env,
            cwd=cwd,
            user=user,
            timeout=timeout,
            login=login,
            tag=tag,
            max_output_bytes=max_output_bytes,
        )
        async with process:
            if stdin is None:
                return await process.wait(check=check)
            feeding = AsyncBackground(lambda: process.stdin.feed(stdin))
            try:
                result = await process.wait(check=check)
                # A program that reads less than it is given is none of our business.
                try:
                    await feeding.join()
                except (ConflictError, NotFoundError):
                    pass
                return result
            finally:
                feeding.cancel()

    async def start(
        self,
        command: Command,
        *,
        stdin: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str = "",
        user: str = "",
        timeout: float | None = None,
        login: bool = False,
        tag: str = "",
        process_id: str = "",
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> AsyncProcess:
        """Starts a program; returns when it runs. Options as for `exec`; `stdin=True` lets you write to `process.stdin`.

        process_id: your name for it, 1 to 64 of [A-Za-z0-9_-], to attach to it later; made up where empty.
        """
        request = _exec_request(command, env=env, cwd=cwd, user=user, timeout=timeout, login=login, tag=tag)
        request.process_id = process_id or os.urandom(10).hex()
        request.stdin = stdin
        return await AsyncProcess(self._plane, request.process_id, request, max_output_bytes).started()

    async def attach(
        self,
        process_id: str,
        *,
        from_offset: int = 0,
        from_end: bool = False,
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> AsyncProcess:
        """Reads the output of a process that was started before, from a byte offset. The last MiB at least is kept."""
        request = process_pb.AttachProcessRequest(
            process=selector_of(process_id), from_offset=from_offset, from_end=from_end
        )
        return await AsyncProcess(self._plane, process_id, request, max_output_bytes).started()

    async def pty(
        self,
        command: Command | None = None,
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: str = "",
        user: str = "",
        tag: str = "",
        process_id: str = "",
    ) -> AsyncPty:
        """Opens a terminal; the user's login shell where no command is given. `columns` and `rows`: 1 to 1000."""
        shell = "exec ${SHELL:-/bin/bash} -l" if command is None else command
        request = _exec_request(shell, env=env, cwd=cwd, user=user, timeout=None, login=False, tag=tag)
        request.process_id = process_id or os.urandom(10).hex()
        request.pty = process_pb.PtySize(columns=columns, rows=rows)
        return AsyncPty(self._plane, await AsyncProcess(self._plane, request.process_id, request, 0).started())

    async def attach_pty(self, process_id: str, *, from_offset: int = 0, from_end: bool = False) -> AsyncPty:
        """A terminal that was opened before; its last output comes again unless `from_end`."""
        process = await self.attach(process_id, from_offset=from_offset, from_end=from_end, max_output_bytes=0)
        return AsyncPty(self._plane, process)

    async def processes(self, *, include_exited: bool = False) -> Sequence[ProcessInfo]:
        """The processes that were started by exec, start or pty, by start time."""
        request = process_pb.ListProcessesRequest(include_exited=include_exited)
        answer = await self._plane.unary(lambda route: route.processes.list_processes, request, repeatable=True)
        return [process_info_of(process) for process in answer.processes]

    async def port_url(self, port: int, *, ttl: float = 3600.0) -> PortUrl:
        """The address of a port, with a token that lets in for `ttl` seconds (1 to 604,800)."""
        request = sandbox_pb.CreatePortUrlRequest(sandbox_id=self.id, port=port, ttl=Duration.from_seconds(ttl))
        answer = await self._connection.unary(
            self._connection.sandboxes.create_port_url,
            request,
            repeatable=True,
            headers=self._connection.headers(self.access_token),
        )
        return PortUrl(answer.url, answer.direct_url or None, answer.token, datetime_of(answer.expire_time))

    async def set_port_public(self, port: int, public: bool) -> None:
        """Opens a port's address to everyone, or closes it again. Every port is private at first."""
        request = sandbox_pb.SetPortVisibilityRequest(sandbox_id=self.id, port=port, public=public)
        await self._connection.unary(self._connection.sandboxes.set_port_visibility, request, repeatable=True)


def _exec_request(
    command: Command,
    *,
    env: Mapping[str, str] | None,
    cwd: str,
    user: str,
    timeout: float | None,
    login: bool,
    tag: str,
) -> process_pb.ExecRequest:
    shell: Oneof[Literal["shell"], process_pb.ShellLine]
    argv: Oneof[Literal["argv"], process_pb.ArgumentVector]
    if isinstance(command, str):
        shell = Oneof("shell", process_pb.ShellLine(line=command, login=login))
    else:
        argv = Oneof("argv", process_pb.ArgumentVector(args=[*command]))
    return process_pb.ExecRequest(
        command=shell if isinstance(command, str) else argv,
        env=dict(env or {}),
        cwd=cwd,
        user=user,
        tag=tag,
        timeout=Duration.from_seconds(timeout) if timeout is not None else None,
    )
