"""Python client for DaytoNah: hardware-isolated microVM sandboxes for AI agents, on your own machines.

`Sandbox` and `Client` block, `AsyncSandbox` and `AsyncClient` are for asyncio; they are alike in all else.
"""

from ._async.client import AsyncClient
from ._async.files import AsyncFiles
from ._async.process import AsyncProcess
from ._async.pty import AsyncPty
from ._async.sandbox import AsyncSandbox
from ._sync.client import Client
from ._sync.files import Files
from ._sync.process import Process
from ._sync.pty import Pty
from ._sync.sandbox import Sandbox
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
from .models import ExecResult, FileChange, FileInfo, OutputEvent, PortUrl, ProcessInfo, Replacement, SandboxInfo, TextMatch

__all__ = [
    "AsyncClient",
    "AsyncFiles",
    "AsyncProcess",
    "AsyncPty",
    "AsyncSandbox",
    "AuthenticationError",
    "CapacityError",
    "Client",
    "CommandFailedError",
    "ConflictError",
    "DaytonahError",
    "DeadlineError",
    "ExecResult",
    "FieldViolation",
    "FileChange",
    "FileInfo",
    "Files",
    "InvalidArgumentError",
    "LimitError",
    "NotFoundError",
    "OutputEvent",
    "PermissionDeniedError",
    "PlatformError",
    "PortUrl",
    "Process",
    "ProcessInfo",
    "Pty",
    "Replacement",
    "Sandbox",
    "SandboxDiedError",
    "SandboxInfo",
    "TextMatch",
    "UnavailableError",
    "UnsupportedError",
]
