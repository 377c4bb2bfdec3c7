"""What runs in a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .._exec_request import exec_request_of, selector_of
from .._from_wire import process_info_of
from .._gen.daytonah.v1 import process_pb
from .._signals import signal_number_of
from ..file_models import AsyncByteSource
from ..process_models import Command, ExecResult, ProcessInfo
from .data_plane import AsyncDataPlane
from .exec_call import run_to_end, start
from .process import AsyncProcess
from .process_calls import AsyncProcessCalls
from .pty import AsyncPty

_MAX_OUTPUT_BYTES = 16 * 1024 * 1024
_LOGIN_SHELL = '[ "$SHELL" ] || SHELL=/bin/sh; exec "$SHELL" -l'
"""bash sets SHELL to what the user's account names; where there is no bash, sh has run the line."""


class AsyncPrograms:
    """The part of AsyncSandbox about its programs."""

    def __init__(self, plane: AsyncDataPlane) -> None:
        self._plane = plane

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
        Where the wait is interrupted (its task is cancelled, or Ctrl-C in a blocking program), the program is killed. A broken
        connection is mended behind your back.
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
        return await start(AsyncProcess(self._plane, calls, request, max_output_bytes), calls)

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
