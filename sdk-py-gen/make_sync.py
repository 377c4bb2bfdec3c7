"""Makes the blocking flavour, src/daytonah/_sync, from the asyncio one, src/daytonah/_async. Run by `npm run gen`."""

import shutil
from pathlib import Path

import unasync

source = Path(__file__).parent / "src/daytonah/_async"
target = source.parent / "_sync"

PLAIN = [
    *["Client", "Connection", "DataPlane", "DirectWays", "Events", "Files", "FileWatch", "Hosts", "Life", "Pools", "Ports"],
    *["Process", "ProcessCalls", "ProcessInput", "Programs", "Pty", "Sandbox", "Snapshots", "Templates", "Way"],
]
SERVICES = ["Event", "File", "Host", "Monitoring", "Pool", "Port", "Process", "Sandbox", "Snapshot", "Template"]
replacements = {
    **{f"Async{name}": name for name in PLAIN},
    **{f"{name}ServiceClient": f"{name}ServiceClientSync" for name in SERVICES},
    "AsyncByteSource": "ByteSource",
    "AsyncIterable": "Iterable",
    "AsyncStreamCall": "StreamCall",
    "AsyncUnaryCall": "UnaryCall",
    "aclose": "close",
    "aclosing": "closing",
    "anext": "next",
    "async_get": "sync_get",
    "async_http": "sync_http",
    "async_next": "sync_next",
    "async_read": "sync_read",
    "async_sleep": "sync_sleep",
    "asynccontextmanager": "contextmanager",
}

shutil.rmtree(target, ignore_errors=True)
rule = unasync.Rule(str(source), str(target), additional_replacements=replacements)
unasync.unasync_files([str(path) for path in sorted(source.glob("*.py"))], [rule])
notice = "# Made from ../_async by make_sync.py. Not edited.\n"
in_docstrings = {"async with await ": "with ", "async with ": "with ", "async for ": "for ", "await ": "", "AsyncSandbox": "Sandbox", "AsyncFileWatch": "FileWatch"}
for path in target.glob("*.py"):
    text = path.read_text()
    for asynchronous, blocking in in_docstrings.items():
        text = text.replace(asynchronous, blocking)
    path.write_text(notice + text)
