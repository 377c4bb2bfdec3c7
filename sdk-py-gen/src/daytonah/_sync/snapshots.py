# Made from ../_async by make_sync.py. Not edited.
"""What was kept of sandboxes."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from .._gen.daytonah.v1 import snapshot_pb
from .._life_wire import snapshot_of
from ..life_models import Snapshot
from .connection import Connection
from .pages import pages


class Snapshots:
    """Snapshots of your organization; at `client.snapshots`. `sandbox.snapshot()` takes one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, snapshot_id: str) -> Snapshot:
        """One snapshot. Raises a NotFoundError (SNAPSHOT_NOT_FOUND) where there is none. Needs scope `sandboxes:read`."""
        request = snapshot_pb.GetSnapshotRequest(snapshot_id=snapshot_id)
        answer = self._connection.unary(self._connection.snapshots.get_snapshot, request, repeatable=True)
        return snapshot_of(answer.snapshot)

    def list(self, *, sandbox_id: str = "") -> Generator[Snapshot, None]:
        """The snapshots, newest first, or only those of one sandbox. Needs scope `sandboxes:read`."""

        def fetch(token: str) -> tuple[Sequence[Snapshot], str]:
            request = snapshot_pb.ListSnapshotsRequest(page_token=token, sandbox_id=sandbox_id)
            answer = self._connection.unary(self._connection.snapshots.list_snapshots, request, repeatable=True)
            return [*map(snapshot_of, answer.snapshots)], answer.next_page_token

        return pages(fetch)

    def delete(self, snapshot_id: str) -> None:
        """Deletes a snapshot; returns when its space is given back. Sandboxes made from it stay whole.

        Raises a NotFoundError where it is gone already, a ConflictError (RESOURCE_IN_USE) where a template stands on it. Needs
        scope `sandboxes:write`.
        """
        request = snapshot_pb.DeleteSnapshotRequest(snapshot_id=snapshot_id)
        self._connection.unary(self._connection.snapshots.delete_snapshot, request, repeatable=False)
