"""Python client for DaytoNah: hardware-isolated microVM sandboxes for AI agents, on your own machines.

`Sandbox` and `Client` block, `AsyncSandbox` and `AsyncClient` are for asyncio; they are alike in all else.
"""

from ._async.client import AsyncClient
from ._async.events import AsyncEvents
from ._async.file_watch import AsyncFileWatch
from ._async.files import AsyncFiles
from ._async.hosts import AsyncHosts
from ._async.pools import AsyncPools
from ._async.ports import AsyncPorts
from ._async.process import AsyncProcess
from ._async.process_input import AsyncProcessInput
from ._async.pty import AsyncPty
from ._async.sandbox import AsyncSandbox
from ._async.snapshots import AsyncSnapshots
from ._async.templates import AsyncTemplates
from ._sync.client import Client
from ._sync.events import Events
from ._sync.file_watch import FileWatch
from ._sync.files import Files
from ._sync.hosts import Hosts
from ._sync.pools import Pools
from ._sync.ports import Ports
from ._sync.process import Process
from ._sync.process_input import ProcessInput
from ._sync.pty import Pty
from ._sync.sandbox import Sandbox
from ._sync.snapshots import Snapshots
from ._sync.templates import Templates
from .errors import (
    AuthenticationError,
    CapacityError,
    CommandFailedError,
    ConflictError,
    DaytonahError,
    DeadlineError,
    FieldViolation,
    InvalidArgumentError,
    LimitError,
    NotFoundError,
    PermissionDeniedError,
    PlatformError,
    SandboxDiedError,
    UnavailableError,
    UnsupportedError,
)
from .file_models import ArchiveWritten, FileChange, FileInfo, FileUrl, Replacement, TextMatch
from .life_models import Lifecycle, Lineage, Relative, Snapshot
from .models import ListeningPort, LogEntry, Metrics, MetricsSample, PortUrl, SandboxEvent, SandboxInfo, StageTime
from .platform_models import Host, JoinToken, Pool, Template
from .process_models import ExecResult, OutputEvent, ProcessExit, ProcessInfo, PtySize

__all__ = [
    "ArchiveWritten",
    "AsyncClient",
    "AsyncEvents",
    "AsyncFileWatch",
    "AsyncFiles",
    "AsyncHosts",
    "AsyncPools",
    "AsyncPorts",
    "AsyncProcess",
    "AsyncProcessInput",
    "AsyncPty",
    "AsyncSandbox",
    "AsyncSnapshots",
    "AsyncTemplates",
    "AuthenticationError",
    "CapacityError",
    "Client",
    "CommandFailedError",
    "ConflictError",
    "DaytonahError",
    "DeadlineError",
    "Events",
    "ExecResult",
    "FieldViolation",
    "FileChange",
    "FileInfo",
    "FileUrl",
    "FileWatch",
    "Files",
    "Host",
    "Hosts",
    "InvalidArgumentError",
    "JoinToken",
    "Lifecycle",
    "LimitError",
    "Lineage",
    "ListeningPort",
    "LogEntry",
    "Metrics",
    "MetricsSample",
    "NotFoundError",
    "OutputEvent",
    "PermissionDeniedError",
    "PlatformError",
    "Pool",
    "Pools",
    "PortUrl",
    "Ports",
    "Process",
    "ProcessExit",
    "ProcessInfo",
    "ProcessInput",
    "Pty",
    "PtySize",
    "Relative",
    "Replacement",
    "Sandbox",
    "SandboxDiedError",
    "SandboxEvent",
    "SandboxInfo",
    "Snapshot",
    "Snapshots",
    "StageTime",
    "Template",
    "Templates",
    "TextMatch",
    "UnavailableError",
    "UnsupportedError",
]
