# Made from ../_async by make_sync.py. Not edited.
"""The machines that run sandboxes."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from .._from_wire import datetime_of
from .._gen.daytonah.v1 import host_pb
from .._life_wire import duration_of
from .._platform_wire import host_of
from ..platform_models import Host, JoinToken
from .connection import Connection
from .pages import pages


class Hosts:
    """The hosts of the platform; at `client.hosts`. Needs scope `admin`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Generator[Host, None]:
        """The hosts, by id."""

        def fetch(token: str) -> tuple[Sequence[Host], str]:
            request = host_pb.ListHostsRequest(page_token=token)
            answer = self._connection.unary(self._connection.hosts.list_hosts, request, repeatable=True)
            return [*map(host_of, answer.hosts)], answer.next_page_token

        return pages(fetch)

    def create_join_token(self, host_id: str = "", *, ttl: float | None = None) -> JoinToken:
        """Makes a token with which one host may join, once.

        Args:
            host_id: Id that the host will have; of its own choice where empty.
            ttl: How long the token works, seconds, a minute to 7 days; an hour where None.
        """
        request = host_pb.CreateJoinTokenRequest(host_id=host_id, ttl=duration_of(ttl))
        answer = self._connection.unary(self._connection.hosts.create_join_token, request, repeatable=True)
        return JoinToken(answer.token, datetime_of(answer.expire_time))

    def drain(self, host_id: str) -> Host:
        """Begins to empty a host: no new sandboxes, and what it has moves to others, also what runs. Returns at once, with what is
        left on it; `list` shows that later. Raises a NotFoundError where there is no such host."""
        request = host_pb.DrainHostRequest(host_id=host_id)
        answer = self._connection.unary(self._connection.hosts.drain_host, request, repeatable=True)
        return host_of(answer.host)

    def undrain(self, host_id: str) -> Host:
        """Ends a drain: the host takes new sandboxes again. Raises a NotFoundError where there is no such host."""
        request = host_pb.UndrainHostRequest(host_id=host_id)
        answer = self._connection.unary(self._connection.hosts.undrain_host, request, repeatable=True)
        return host_of(answer.host)

    def remove(self, host_id: str, *, force: bool = False) -> None:
        """Forgets a host that has no sandboxes and snapshots any more; its certificate is no longer believed.

        Args:
            force: Also with sandboxes on it, because the machine is gone for good: they become failed with HOST_LOST, and its
                snapshots go.

        Raises a ConflictError (RESOURCE_IN_USE) where it has some, a NotFoundError where there is no such host.
        """
        request = host_pb.RemoveHostRequest(host_id=host_id, force=force)
        self._connection.unary(self._connection.hosts.remove_host, request, repeatable=False)
