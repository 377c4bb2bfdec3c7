"""What every way to start a program has in common, and how a process is named on the wire."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from protobuf import Oneof
from protobuf.wkt import Duration

from ._gen.daytonah.v1 import process_pb
from .process_models import Command


def exec_request_of(
    command: Command,
    *,
    env: Mapping[str, str] | None,
    cwd: str,
    user: str,
    tag: str,
    process_id: str,
    replay_bytes: int,
    timeout: float | None = None,
    login: bool = False,
    stdin: bool = False,
    pty: tuple[int, int] | None = None,
) -> process_pb.ExecRequest:
    shell: Oneof[Literal["shell"], process_pb.ShellLine]
    argv: Oneof[Literal["argv"], process_pb.ArgumentVector]
    if isinstance(command, str):
        shell = Oneof("shell", process_pb.ShellLine(line=command, login=login))
    else:
        argv = Oneof("argv", process_pb.ArgumentVector(args=[*command]))
    return process_pb.ExecRequest(
        command=shell if isinstance(command, str) else argv,
        process_id=process_id or random_id(),
        env=dict(env or {}),
        cwd=cwd,
        user=user,
        tag=tag,
        stdin=stdin,
        timeout=Duration.from_seconds(timeout) if timeout is not None else None,
        pty=process_pb.PtySize(columns=pty[0], rows=pty[1]) if pty is not None else None,
        replay_bytes=replay_bytes,
    )


def selector_of(
    process_id: str | None = None, pid: int | None = None, tag: str | None = None
) -> process_pb.ProcessSelector:
    """Raises a ValueError unless exactly one of the three is given."""
    if [process_id, pid, tag].count(None) != 2:
        raise ValueError("Name the process by exactly one of its id, its pid and its tag.")
    by_id: Oneof[Literal["process_id"], str]
    by_pid: Oneof[Literal["pid"], int]
    by_tag: Oneof[Literal["tag"], str]
    if process_id is not None:
        by_id = Oneof("process_id", process_id)
        return process_pb.ProcessSelector(selector=by_id)
    if pid is not None:
        by_pid = Oneof("pid", pid)
        return process_pb.ProcessSelector(selector=by_pid)
    by_tag = Oneof("tag", tag or "")
    return process_pb.ProcessSelector(selector=by_tag)


def random_id() -> str:
    return os.urandom(16).hex()
