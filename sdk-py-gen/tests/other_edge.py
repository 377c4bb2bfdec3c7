"""An edge of a host that does not have the sandbox (any more), as far as a client can tell."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from daytonah._gen.daytonah.v1.error_pb import ErrorInfo, ErrorReason


class OtherEdge:
    """It answers calls with an error of this reason, and counts them."""

    def __init__(self, status: int, code: str, reason: ErrorReason, *, alive: object = True) -> None:
        self.calls: list[str] = []
        detail = base64.b64encode(ErrorInfo(reason=reason, next_step="Ask the platform.").to_binary()).decode()
        details = [{"type": "daytonah.v1.ErrorInfo", "value": detail}]
        failure = json.dumps({"code": code, "message": "It is not here.", "details": details}).encode()
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/healthz":
                    self._answer(200, json.dumps({"alive": alive}).encode())
                else:
                    self._refuse()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self._refuse()

            def _refuse(self) -> None:
                calls.append(self.path.split("?")[0].rsplit("/", 1)[-1])
                self._answer(status, failure)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
