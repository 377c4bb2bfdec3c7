"""One way to sandboxes' data planes: through the control plane, or straight to a host's edge. Both answer the same calls."""

from __future__ import annotations

from .._gen.daytonah.v1.file_connect import FileServiceClient
from .._gen.daytonah.v1.monitoring_connect import MonitoringServiceClient
from .._gen.daytonah.v1.port_connect import PortServiceClient
from .._gen.daytonah.v1.process_connect import ProcessServiceClient
from .._waits import AsyncHttp


class AsyncWay:
    def __init__(self, url: str, http: AsyncHttp) -> None:
        self.url = url
        """Origin, without a slash at its end."""
        self.processes = ProcessServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.files = FileServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.ports = PortServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
        self.monitoring = MonitoringServiceClient(url, send_compression=None, accept_compression=[], http_client=http)
