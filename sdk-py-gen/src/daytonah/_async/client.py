"""A platform, and the credential to use it with."""

from __future__ import annotations

from .._options import Direct, resolve_options
from .connection import AsyncConnection
from .events import AsyncEvents
from .hosts import AsyncHosts
from .pools import AsyncPools
from .snapshots import AsyncSnapshots
from .templates import AsyncTemplates


class AsyncClient:
    """A platform, and the credential to use it with. Cheap to make; share one where you can.

    Args:
        url: Base URL of the platform. Else the variable DNAH_URL, else `http://127.0.0.1:3000`.
        api_key: Else the variable DNAH_API_KEY.
        timeout: Longest wait for the answer of one call, seconds. Streams of output and files have no limit.
        max_retries: How often a call that is safe to repeat is repeated where the platform does not answer.
        retry_delay: Wait before the first repeat, seconds; it doubles each time up to 3 s.
        direct: Whether calls to a sandbox's processes and files go straight to its host: "auto" where the host can be reached
            from here, with a fall back to the control plane; "never"; or "always", which fails where it can't be reached.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        max_retries: int = 4,
        retry_delay: float = 0.1,
        direct: Direct = "auto",
    ) -> None:
        self.connection = AsyncConnection(resolve_options(url, api_key, timeout, max_retries, retry_delay, direct))
        self.events = AsyncEvents(self.connection)
        """What happens to your sandboxes."""
        self.snapshots = AsyncSnapshots(self.connection)
        """What was kept of sandboxes."""
        self.templates = AsyncTemplates(self.connection)
        """What sandboxes start from."""
        self.pools = AsyncPools(self.connection)
        """VMs that wait for creates."""
        self.hosts = AsyncHosts(self.connection)
        """The machines that run sandboxes."""

    @property
    def url(self) -> str:
        """Base URL of the platform."""
        return self.connection.options.url


_shared: AsyncClient | None = None


def default_client() -> AsyncClient:
    """The client of calls that name none: made from the environment when it is first needed."""
    global _shared
    if _shared is None:
        _shared = AsyncClient()
    return _shared
