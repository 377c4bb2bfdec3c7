"""A microVM of its own for code you do not trust."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Self

from protobuf.wkt import Timestamp

from .._exec_request import exec_request_of, random_id, selector_of
from .._from_wire import metrics_of, process_info_of, sandbox_info_of, seconds_of
from .._gen.daytonah.v1 import monitoring_pb, process_pb, sandbox_pb
from .._signals import signal_number_of
from ..errors import NotFoundError
from ..models import AsyncByteSource, Command, ExecResult, LogEntry, Metrics, ProcessInfo, SandboxInfo, StageTime
from .client import AsyncClient, default_client
from .data_plane import AsyncDataPlane
from .exec_call import run_to_end
from .files import AsyncFiles
from .logs import read_logs
from .ports import AsyncPorts
from .process import AsyncProcess
from .process_calls import AsyncProcessCalls
from .pty import AsyncPty

_CREATE_TIMEOUT = 120.0
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024
_LOGIN_SHELL = '[ "$SHELL" ] || SHELL=/bin/sh; exec "$SHELL" -l'
"""bash sets SHELL to what the user's account names; where there is no bash, sh has run the line."""


class AsyncSandbox:
    """A microVM of its own for code you do not trust.

    ```python
    async with await AsyncSandbox.create() as sandbox:  # deleted at the end of the block
        result = await sandbox.exec(["python3", "-c", "print(6 * 7)"])
        print(result.exit_code, result.stdout)
    ```
    """

    def __init__(self, plane: AsyncDataPlane, stages: Sequence[StageTime] = ()) -> None:
        """Use `create` or `connect`."""
        self.id = plane.sandbox_id
        """20 of [a-z0-9]."""
        self.stages = stages
        """How long each stage of the create took; empty after `connect`."""
        self.files = AsyncFiles(plane)
        """Its files."""
        self.ports = AsyncPorts(plane)
        """Its TCP ports."""
        self._connection = plane.connection
        self._plane = plane

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
            disk_mib: Root disk, up to 1,048,576 MiB; the template's own size where 0, never less.
            env: Environment of every process.
            metadata: Your labels, 64 at most, to find it by.
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
        )
        connection = client.connection
        answer = await connection.unary(
            connection.sandboxes.create_sandbox, request, repeatable=idempotency_key != "", timeout=timeout
        )
        info = sandbox_info_of(answer.sandbox)
        stages = tuple(StageTime(stage.stage, seconds_of(stage.duration)) for stage in answer.stages)
        return cls(AsyncDataPlane(connection, info.id, answer.access_token or None, info.direct_url), stages)

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

    async def kill(self) -> None:
        """Deletes the sandbox; returns when its VM and disk are gone. Raises a NotFoundError where it is gone already."""
        request = sandbox_pb.DeleteSandboxRequest(sandbox_id=self.id, idempotency_key=random_id())
        await self._connection.unary(self._connection.sandboxes.delete_sandbox, request, repeatable=True)

    async def exec(
        self,
        command: Command,
        *,
        stdin: AsyncByteSource | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "",
        user: str = "",
        timeout: float | None = None,
        login: bool = False,
        tag: str = "",
        process_id: str = "",
        pty: tuple[int, int] | None = None,
        replay_bytes: int = 0,
        check: bool = False,
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> ExecResult:
        """Runs a program to its end. A string is a line for the shell, a list is program and arguments.

        Args:
            stdin: Fed to its standard input, which is empty where None: text, bytes, a file that is open for reading, or an
                iterable of text or bytes.
            env: Added to the sandbox's environment.
            cwd: Working directory; the user's home where empty. "~" and relative paths count from the home.
            user: Name or number of the sandbox's user; the default user where empty.
            timeout: Ends the program after this, seconds: SIGTERM, and SIGKILL 5 s later. Then `timed_out` is True.
            login: Reads the user's profile first. Only for a shell line.
            tag: A label to find it by: `sandbox.attach(tag=…)`, `sandbox.processes()`.
            process_id: Your name for it, 1 to 64 of [A-Za-z0-9_-], to attach to it; made up where empty.
            pty: Runs it on a terminal of so many columns and rows: its output is all of stream "pty".
            replay_bytes: How much of its output the sandbox keeps for who attaches: 64 KiB to 16 MiB; 1 MiB where 0.
            check: Raises a CommandFailedError unless it ends with exit code 0.
            max_output_bytes: Most bytes that are kept of each stream; the rest is dropped, and `truncated` is True.

        Raises an InvalidArgumentError for a program, user or directory that is not there, a SandboxDiedError where the VM ended.
        Where the wait is interrupted (its task is cancelled, or Ctrl-C in a blocking program, which takes up to 15 s to be
        noticed), the program is killed. A broken connection is mended behind your back.
        """
        request = exec_request_of(
            command,
            stdin=stdin is not None,
            env=env,
            cwd=cwd,
            user=user,
            timeout=timeout,
            login=login,
            tag=tag,
            process_id=process_id,
            pty=pty,
            replay_bytes=replay_bytes,
        )
        calls = AsyncProcessCalls(self._plane, selector_of(request.process_id))
        process = AsyncProcess(self._plane, calls, request, max_output_bytes)
        return await run_to_end(process, calls, stdin, check)

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
        pty: tuple[int, int] | None = None,
        replay_bytes: int = 0,
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> AsyncProcess:
        """Starts a program; returns when it runs. Options as for `exec`; `stdin=True` lets you write to `process.stdin`.

        One that is to run on its own, a server say, is let go of by `detach`.
        """
        request = exec_request_of(
            command,
            stdin=stdin,
            env=env,
            cwd=cwd,
            user=user,
            timeout=timeout,
            login=login,
            tag=tag,
            process_id=process_id,
            pty=pty,
            replay_bytes=replay_bytes,
        )
        calls = AsyncProcessCalls(self._plane, selector_of(request.process_id))
        return await AsyncProcess(self._plane, calls, request, max_output_bytes)._started()

    async def attach(
        self,
        process_id: str | None = None,
        *,
        pid: int | None = None,
        tag: str | None = None,
        from_offset: int = 0,
        from_end: bool = False,
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> AsyncProcess:
        """Reads the output of a process that was started before, named by its id, its pid, or as the only running one with a tag.

        From byte `from_offset` on, or only what comes from now on. The sandbox keeps the last `replay_bytes` of each process.
        Raises a NotFoundError (PROCESS_NOT_FOUND) where there is none.
        """
        selector = selector_of(process_id, pid, tag)
        request = process_pb.AttachProcessRequest(process=selector, from_offset=from_offset, from_end=from_end)
        calls = AsyncProcessCalls(self._plane, selector)
        return await AsyncProcess(self._plane, calls, request, max_output_bytes)._started()

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
        replay_bytes: int = 0,
    ) -> AsyncPty:
        """Opens a terminal; returns when its program runs: the user's login shell where no command is given.

        `columns` and `rows`: 1 to 1,000. TERM is "xterm-256color" unless `env` says otherwise. Options as for `exec`.
        """
        process = await self.start(
            _LOGIN_SHELL if command is None else command,
            pty=(columns, rows),
            env={"TERM": "xterm-256color", **(env or {})},
            cwd=cwd,
            user=user,
            tag=tag,
            process_id=process_id,
            replay_bytes=replay_bytes,
            max_output_bytes=0,
        )
        return AsyncPty(process)

    async def attach_pty(
        self,
        process_id: str | None = None,
        *,
        pid: int | None = None,
        tag: str | None = None,
        from_offset: int = 0,
        from_end: bool = False,
    ) -> AsyncPty:
        """A terminal that was opened before; its last output comes again, from `from_offset` on, unless `from_end`."""
        process = await self.attach(
            process_id, pid=pid, tag=tag, from_offset=from_offset, from_end=from_end, max_output_bytes=0
        )
        return AsyncPty(process)

    async def processes(self, *, include_exited: bool = False) -> Sequence[ProcessInfo]:
        """The processes that were started by exec, start or pty, by start time. With `include_exited` also those that ended and
        can still be attached to."""
        request = process_pb.ListProcessesRequest(include_exited=include_exited)
        answer = await self._plane.unary(lambda way: way.processes.list_processes, request, repeatable=True)
        return [process_info_of(process) for process in answer.processes]

    async def signal(
        self,
        process_id: str | None = None,
        signal: str | int = "SIGTERM",
        *,
        pid: int | None = None,
        tag: str | None = None,
        only_process: bool = False,
    ) -> None:
        """Sends a Linux signal to a process and its children, or with `only_process` to it alone. It is named as for `attach`.

        Raises a NotFoundError (PROCESS_NOT_FOUND) where there is none that runs.
        """
        calls = AsyncProcessCalls(self._plane, selector_of(process_id, pid, tag))
        await calls.signal(signal_number_of(signal), only_process)

    async def environment(self) -> Mapping[str, str]:
        """The environment that processes get before their own additions."""
        request = process_pb.GetEnvironmentRequest()
        answer = await self._plane.unary(lambda way: way.processes.get_environment, request, repeatable=True)
        return dict(answer.env)

    async def set_environment(
        self, set: Mapping[str, str] | None = None, *, unset: Iterable[str] = (), replace: bool = False
    ) -> Mapping[str, str]:
        """Changes the environment of processes started later; those that run keep theirs. Answers with how it is then.

        Args:
            set: Added. Names match [A-Za-z_][A-Za-z0-9_]*, values are at most 32 KiB.
            unset: Names to take out, before `set` is added.
            replace: Takes out all there is first.
        """
        request = process_pb.SetEnvironmentRequest(set=dict(set or {}), unset=[*unset], replace=replace)
        answer = await self._plane.unary(lambda way: way.processes.set_environment, request, repeatable=True)
        return dict(answer.env)

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

    def _learn(self, sandbox: sandbox_pb.Sandbox | None) -> SandboxInfo:
        """Its host can be another one than before."""
        info = sandbox_info_of(sandbox)
        self._plane.direct_url = info.direct_url
        return info
