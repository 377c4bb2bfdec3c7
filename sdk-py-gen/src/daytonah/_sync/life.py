# Made from ../_async by make_sync.py. Not edited.
"""What happens to a sandbox as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from .._convert_error import error_of_reason
from .._exec_request import random_id
from .._gen.daytonah.v1 import sandbox_pb, snapshot_pb
from .._life_wire import duration_of, lifecycle_to_wire, lineage_of, sandbox_info_of, snapshot_of
from .._options import LIFE_TIMEOUT
from ..errors import DaytonahError
from ..life_models import Lifecycle, Lineage, Snapshot
from ..models import SandboxInfo, StageTime
from .client import Client, default_client
from .connection import Connection
from .data_plane import DataPlane


class Life:
    """The part of Sandbox about its pauses, snapshots and forks, its time and its end."""

    def __init__(self, plane: DataPlane, stages: Sequence[StageTime] = ()) -> None:
        self._plane = plane
        self._connection = plane.connection
        self.id = plane.sandbox_id
        """20 of [a-z0-9]."""
        self.stages = stages
        """How long each stage of the create took; empty after `connect`."""

    @classmethod
    def _made(
        cls,
        connection: Connection,
        sandbox: sandbox_pb.Sandbox | None,
        access_token: str = "",
        stages: Sequence[StageTime] = (),
    ) -> Self:
        info = sandbox_info_of(sandbox)
        return cls(DataPlane(connection, info.id, access_token or None, info.direct_url), stages)

    def _learn(self, sandbox: sandbox_pb.Sandbox | None) -> SandboxInfo:
        """Its host can be another one than before."""
        info = sandbox_info_of(sandbox)
        self._plane.direct_url = info.direct_url
        return info

    def pause(self, *, timeout: float = LIFE_TIMEOUT) -> SandboxInfo:
        """Writes its memory and disk down and gives its CPU and memory back; returns when it is paused.

        Its programs stand still and go on at `resume`, and so do the streams that you have open. Paused already is no error. Waits
        `timeout` seconds at most. Needs scope `sandboxes:write`.
        """
        request = sandbox_pb.PauseSandboxRequest(sandbox_id=self.id, idempotency_key=random_id())
        call = self._connection.sandboxes.pause_sandbox
        answer = self._connection.unary(call, request, repeatable=True, timeout=timeout)
        return self._learn(answer.sandbox)

    def resume(
        self, *, lifecycle_timeout: float | None = None, timeout: float = LIFE_TIMEOUT
    ) -> SandboxInfo:
        """Runs a paused sandbox on, or starts a failed one again from its disk; returns when programs can run.

        Args:
            lifecycle_timeout: Sets its lifecycle's time-out anew, seconds; as it was where None.
            timeout: Longest wait, seconds.

        Running already is no error. Raises a CapacityError where its host has no room. Needs scope `sandboxes:write`.
        """
        request = sandbox_pb.ResumeSandboxRequest(
            sandbox_id=self.id, idempotency_key=random_id(), timeout=duration_of(lifecycle_timeout)
        )
        call = self._connection.sandboxes.resume_sandbox
        answer = self._connection.unary(call, request, repeatable=True, timeout=timeout)
        return self._learn(answer.sandbox)

    def snapshot(
        self, name: str = "", *, metadata: Mapping[str, str] | None = None, timeout: float = LIFE_TIMEOUT
    ) -> Snapshot:
        """Keeps this instant of its memory and disk, of a running or paused sandbox; its programs stand still for a moment.

        See `Sandbox.create(snapshot_id=…)` and `roll_back`; `client.snapshots` finds and deletes them.

        Args:
            name: For people, 256 bytes at most.
            metadata: Your labels, 64 at most.
            timeout: Longest wait, seconds.

        Needs scope `sandboxes:write`.
        """
        request = snapshot_pb.CreateSnapshotRequest(
            sandbox_id=self.id, name=name, metadata=dict(metadata or {}), idempotency_key=random_id()
        )
        call = self._connection.snapshots.create_snapshot
        answer = self._connection.unary(call, request, repeatable=True, timeout=timeout)
        return snapshot_of(answer.snapshot)

    def fork(
        self,
        *,
        env: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        lifecycle: Lifecycle | None = None,
        timeout: float = LIFE_TIMEOUT,
    ) -> Self:
        """Makes a child: another machine that goes on from this instant, with its own id, name and randomness, while this one,
        running or paused, stays as it was. Programs that keep random state of their own: docs/pause-and-fork.md.

        ```python
        with sandbox.fork() as child:
            child.exec("make test")
        ```

        Args:
            env: Environment of programs that the child starts later, beside and over the parent's.
            metadata: Its labels; the parent's are not taken over.
            lifecycle: When it ends or pauses by itself; never where None. The parent's is not taken over.
            timeout: Longest wait, seconds.

        Raises a CapacityError where its host has no room. Needs scope `sandboxes:write`.
        """
        (outcome,) = self.fork_many(1, env=env, metadata=metadata, lifecycle=lifecycle, timeout=timeout)
        if isinstance(outcome, DaytonahError):
            raise outcome
        return outcome

    def fork_many(
        self,
        count: int,
        *,
        env: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        lifecycle: Lifecycle | None = None,
        timeout: float = LIFE_TIMEOUT,
    ) -> Sequence[Self | DaytonahError]:
        """Makes `count` children of one instant, 1 to 100. Answers with a sandbox, or the error that it became, for each; raises
        where none could be tried. Options as for `fork`."""
        if count < 1:
            raise ValueError(f"The number of children is {count}; it is 1 to 100.")
        request = sandbox_pb.ForkSandboxRequest(
            sandbox_id=self.id,
            count=count,
            env=dict(env or {}),
            metadata=dict(metadata or {}),
            lifecycle=lifecycle_to_wire(lifecycle),
            idempotency_key=random_id(),
        )
        call = self._connection.sandboxes.fork_sandbox
        answer = self._connection.unary(call, request, repeatable=True, timeout=timeout)
        return [self._outcome_of(result) for result in answer.results]

    def _outcome_of(self, result: sandbox_pb.ForkResult) -> Self | DaytonahError:
        outcome = result.result and result.result.value
        if isinstance(outcome, sandbox_pb.ForkedSandbox):
            return self._made(self._connection, outcome.sandbox, outcome.access_token)
        if outcome is None:
            raise TypeError("The platform's answer lacks a child's outcome.")
        retry_after = outcome.retry_delay.to_seconds() if outcome.retry_delay is not None else None
        return error_of_reason(outcome.reason, outcome.message, outcome.next_step, retry_after)

    def roll_back(self, snapshot_id: str, *, timeout: float = LIFE_TIMEOUT) -> SandboxInfo:
        """Puts it back to one of its own snapshots, under the same id; what it did since is gone, and its streams end. Returns when
        programs can run.

        Raises a NotFoundError (SNAPSHOT_NOT_FOUND) for another's snapshot. Waits `timeout` seconds at most. Needs scope
        `sandboxes:write`.
        """
        request = sandbox_pb.RollBackSandboxRequest(
            sandbox_id=self.id, snapshot_id=snapshot_id, idempotency_key=random_id()
        )
        call = self._connection.sandboxes.roll_back_sandbox
        answer = self._connection.unary(call, request, repeatable=True, timeout=timeout)
        return self._learn(answer.sandbox)

    def set_timeout(self, timeout: float | None, *, extend_only: bool = False) -> SandboxInfo:
        """Sets when it ends, seconds from now, 1 s to 366 days; None: it has no end any more.

        With `extend_only` only ever later. What happens then is `Lifecycle.on_timeout` of its create. Needs scope
        `sandboxes:write`.
        """
        request = sandbox_pb.SetSandboxTimeoutRequest(
            sandbox_id=self.id, timeout=duration_of(timeout), extend_only=extend_only
        )
        answer = self._connection.unary(self._connection.sandboxes.set_sandbox_timeout, request, repeatable=True)
        return self._learn(answer.sandbox)

    def lineage(self) -> Lineage:
        """Where it comes from, and what was made of it; deleted ones are named as well. Needs scope `sandboxes:read`."""
        request = sandbox_pb.GetSandboxLineageRequest(sandbox_id=self.id)
        call = self._connection.sandboxes.get_sandbox_lineage
        return lineage_of(self._connection.unary(call, request, repeatable=True))

    def kill(self, *, purge: bool = False) -> None:
        """Deletes the sandbox; returns when its VM is gone. Raises a NotFoundError where it is gone already.

        Where the platform keeps tombstones, `Sandbox.undelete` takes it back for a time; with `purge` its disk is gone at once.
        """
        _delete(self._connection, self.id, purge)

    @classmethod
    def purge(cls, sandbox_id: str, *, client: Client | None = None) -> None:
        """Deletes a sandbox for good, also one that is deleted already: its tombstone ends, and its disk is gone.

        Raises a NotFoundError where nothing of it is left. Needs scope `sandboxes:write`.
        """
        _delete((client or default_client()).connection, sandbox_id, purge=True)

    @classmethod
    def undelete(
        cls, sandbox_id: str, *, timeout: float = LIFE_TIMEOUT, client: Client | None = None
    ) -> Self:
        """Takes a delete back, while the tombstone lasts (`info.purge_time`); the sandbox is paused then.

        Raises a NotFoundError where nothing of it is left. Waits `timeout` seconds at most. Needs scope `sandboxes:write`.
        """
        connection = (client or default_client()).connection
        request = sandbox_pb.UndeleteSandboxRequest(sandbox_id=sandbox_id, idempotency_key=random_id())
        call = connection.sandboxes.undelete_sandbox
        answer = connection.unary(call, request, repeatable=True, timeout=timeout)
        return cls._made(connection, answer.sandbox)


def _delete(connection: Connection, sandbox_id: str, purge: bool) -> None:
    request = sandbox_pb.DeleteSandboxRequest(sandbox_id=sandbox_id, idempotency_key=random_id(), purge=purge)
    connection.unary(connection.sandboxes.delete_sandbox, request, repeatable=True)
