"""Makes the blocking flavour, src/daytonah/_sync, from the asyncio one, src/daytonah/_async. Run by `npm run gen`."""

import shutil
from pathlib import Path

import unasync

source = Path(__file__).parent / "src/daytonah/_async"
target = source.parent / "_sync"

PLAIN = ["Client", "Connection", "DataPlane", "Files", "Process", "ProcessInput", "Pty", "Route", "Sandbox"]
replacements = {
    **{f"Async{name}": name for name in PLAIN},
    "AsyncBackground": "SyncBackground",
    "AsyncHttp": "SyncHttp",
    "AsyncStreamCall": "StreamCall",
    "AsyncUnaryCall": "UnaryCall",
    "FileServiceClient": "FileServiceClientSync",
    "ProcessServiceClient": "ProcessServiceClientSync",
    "SandboxServiceClient": "SandboxServiceClientSync",
    "aclose": "close",
    "aclosing": "closing",
    "anext": "next",
    "async_get_status": "sync_get_status",
    "async_sleep": "sync_sleep",
}

shutil.rmtree(target, ignore_errors=True)
rule = unasync.Rule(str(source), str(target), additional_replacements=replacements)
unasync.unasync_files([str(path) for path in sorted(source.glob("*.py"))], [rule])
notice = "# Made from ../_async by make_sync.py. Not edited.\n"
in_docstrings = {"async with await ": "with ", "async with ": "with ", "async for ": "for ", "await ": "", "AsyncSandbox": "Sandbox"}
for path in target.glob("*.py"):
    text = path.read_text()
    for asynchronous, blocking in in_docstrings.items():
        text = text.replace(asynchronous, blocking)
    path.write_text(notice + text)
