# Made from ../_async by make_sync.py. Not edited.
"""One way to sandboxes' data planes: through the control plane, or straight to a host's edge. Both answer the same calls."""

from __future__ import annotations

from .._gen.daytonah.v1.file_connect import FileServiceClientSync
from .._gen.daytonah.v1.monitoring_connect import MonitoringServiceClientSync
from .._gen.daytonah.v1.port_connect import PortServiceClientSync
from .._gen.daytonah.v1.process_connect import ProcessServiceClientSync
from .._waits import SyncHttp


class Way:
    def __init__(self, url: str, http: SyncHttp) -> None:
        self.url = url
        """Origin, without a slash at its end."""
        self.processes = ProcessServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.files = FileServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.ports = PortServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
        self.monitoring = MonitoringServiceClientSync(url, send_compression=None, accept_compression=[], http_client=http)
