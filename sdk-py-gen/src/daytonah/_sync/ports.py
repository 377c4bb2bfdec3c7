# Made from ../_async by make_sync.py. Not edited.
"""The TCP ports of a sandbox."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from protobuf.wkt import Duration

from .._exec_request import random_id
from .._from_wire import datetime_of, port_of
from .._gen.daytonah.v1 import port_pb, sandbox_pb
from .._life_wire import sandbox_info_of
from ..errors import UnavailableError
from ..models import ListeningPort, PortUrl, SandboxInfo
from .data_plane import DataPlane
from .resuming import Progress, resuming
from .way import Way


class Ports:
    """The TCP ports of a sandbox; at `sandbox.ports`. A server that listens on 127.0.0.1 or ::1 in the sandbox can be reached
    like any other. Every port is private: it takes a token or the sandbox's credential, unless it is made public.

    ```python
    sandbox.start("python3 -u -m http.server 8080")
    for ports in sandbox.ports.watch():
        if any(port.port == 8080 for port in ports):
            break
    print((sandbox.ports.url(8080)).url)
    ```
    """

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def list(self) -> Sequence[ListeningPort]:
        """The ports that programs listen on now, by number."""
        request = port_pb.ListPortsRequest()
        answer = self._plane.unary(lambda way: way.ports.list_ports, request, repeatable=True)
        return [port_of(port) for port in answer.ports]

    def watch(self) -> Generator[Sequence[ListeningPort], None]:
        """The ports now, and again, all of them, at each change and after a broken connection. Leave the loop to end it."""

        def attempt(way: Way, progress: Progress) -> Generator[Sequence[ListeningPort], None]:
            with closing(self._plane.stream(way.ports.watch_ports, port_pb.WatchPortsRequest())) as answers:
                for answer in answers:
                    progress()
                    event = answer.event and answer.event.value
                    if isinstance(event, port_pb.PortSet):
                        yield [port_of(port) for port in event.ports]
            raise UnavailableError("The stream of ports ended too early.", code="unavailable")

        return resuming(self._plane, attempt)

    def url(self, port: int, *, ttl: float = 3600.0) -> PortUrl:
        """Addresses of a port with a token that lets in for `ttl` seconds, 1 s to 7 days; the port need not be open yet."""
        connection = self._plane.connection
        request = sandbox_pb.CreatePortUrlRequest(
            sandbox_id=self._plane.sandbox_id, port=port, ttl=Duration.from_seconds(ttl)
        )
        answer = connection.unary(
            connection.sandboxes.create_port_url, request, repeatable=True, headers=self._plane.headers
        )
        return PortUrl(answer.url, answer.direct_url or None, answer.token, datetime_of(answer.expire_time))

    def set_public(self, port: int, public: bool) -> SandboxInfo:
        """Opens a port's address to everyone, or closes it again. Needs an API key with scope `sandboxes:write`."""
        connection = self._plane.connection
        request = sandbox_pb.SetPortVisibilityRequest(
            sandbox_id=self._plane.sandbox_id, port=port, public=public, idempotency_key=random_id()
        )
        answer = connection.unary(connection.sandboxes.set_port_visibility, request, repeatable=True)
        return sandbox_info_of(answer.sandbox)
