# Made from ../_async by make_sync.py. Not edited.
"""VMs that wait for creates."""

from __future__ import annotations

from collections.abc import Sequence

from .._gen.daytonah.v1 import pool_pb, sandbox_pb
from .._life_wire import duration_of
from .._platform_wire import pool_of
from ..platform_models import Pool
from .connection import Connection


class Pools:
    """Warm pools: VMs that run before anybody asks for them; at `client.pools`. Needs scope `admin`.

    A pool is named by template and size, and serves creates of exactly them; what is left out is as in `Sandbox.create`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Pool]:
        """The pools, by template and size."""
        request = pool_pb.ListPoolsRequest()
        answer = self._connection.unary(self._connection.pools.list_pools, request, repeatable=True)
        return [*map(pool_of, answer.pools)]

    def set(
        self,
        template: str = "",
        *,
        vcpus: int = 0,
        memory_mib: int = 0,
        disk_mib: int = 0,
        min_ready: int,
        max_ready: int = 0,
        demand_window: float | None = None,
    ) -> Pool:
        """Makes the pool of a template and size, or changes its policy. It is filled from then on; nothing is waited for.

        Args:
            min_ready: At least so many VMs wait, over all hosts, 0 to 1,000.
            max_ready: At most so many, to 1,000; where it is more than `min_ready`, demand decides between the two.
            demand_window: Demand: as many wait as creates came within this time, 10 s to an hour; 2 minutes where None.
        """
        resources = sandbox_pb.Resources(vcpus=vcpus, memory_mib=memory_mib, disk_mib=disk_mib)
        pool = pool_pb.Pool(
            template=template,
            resources=resources,
            min_ready=min_ready,
            max_ready=max_ready,
            demand_window=duration_of(demand_window),
        )
        request = pool_pb.SetPoolRequest(pool=pool)
        answer = self._connection.unary(self._connection.pools.set_pool, request, repeatable=True)
        return pool_of(answer.status)

    def delete(self, template: str = "", *, vcpus: int = 0, memory_mib: int = 0, disk_mib: int = 0) -> None:
        """Ends a pool; the VMs that wait in it are deleted. Raises a NotFoundError where there is none of this size."""
        resources = sandbox_pb.Resources(vcpus=vcpus, memory_mib=memory_mib, disk_mib=disk_mib)
        request = pool_pb.DeletePoolRequest(template=template, resources=resources)
        self._connection.unary(self._connection.pools.delete_pool, request, repeatable=False)
