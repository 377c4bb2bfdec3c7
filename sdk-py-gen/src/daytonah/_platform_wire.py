"""Templates, warm pools and hosts: the wire's messages as this package's models."""

from __future__ import annotations

from typing import cast

from ._from_wire import datetime_of, lower_name_of, seconds_of
from ._gen.daytonah.v1 import host_pb, pool_pb, sandbox_pb, template_pb
from .platform_models import Host, HostState, Pool, Template


def template_of(template: template_pb.Template | None) -> Template:
    if template is None:
        raise TypeError("The platform's answer lacks the template.")
    return Template(
        name=template.name,
        description=template.description,
        disk_mib=template.disk_mib,
        digest=template.digest,
        packages=dict(template.packages),
        snapshot_id=template.snapshot_id or None,
    )


def pool_of(status: pool_pb.PoolStatus | None) -> Pool:
    if status is None or status.pool is None:
        raise TypeError("The platform's answer lacks the pool.")
    pool = status.pool
    resources = pool.resources or sandbox_pb.Resources()
    return Pool(
        template=pool.template,
        vcpus=resources.vcpus,
        memory_mib=resources.memory_mib,
        disk_mib=resources.disk_mib,
        min_ready=pool.min_ready,
        max_ready=pool.max_ready,
        demand_window=seconds_of(pool.demand_window),
        wanted=status.wanted,
        ready=status.ready,
        filling=status.filling,
        hits=status.hits,
        misses=status.misses,
    )


def host_of(host: host_pb.Host | None) -> Host:
    if host is None:
        raise TypeError("The platform's answer lacks the host.")
    return Host(
        id=host.id,
        state=cast(HostState, lower_name_of(host.state)),
        architecture=host.architecture,
        driver=host.driver,
        hardware_isolated=host.hardware_isolated,
        vcpus=host.vcpus,
        memory_mib=host.memory_mib,
        memory_used_mib=host.memory_used_mib,
        disk_free_mib=host.disk_free_mib,
        sandboxes=host.sandboxes,
        seen_time=datetime_of(host.seen_time),
        version=host.version,
        edge_url=host.edge_url or None,
        snapshots=host.snapshots,
        tombstones=host.tombstones,
        draining=host.draining,
        obstacle_reason=host.obstacle.reason if host.obstacle is not None else None,
        obstacle_message=host.obstacle.message if host.obstacle is not None else None,
        cpu_class=host.cpu_class,
    )
