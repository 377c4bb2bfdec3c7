"""The error that an answer over plain HTTP stands for: the platform's own in JSON, else what a proxy may have said."""

from __future__ import annotations

import json
from base64 import b64decode

from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from protobuf.wkt import Any

_CODE_OF_STATUS = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
}


def http_error_of(status: int, body: bytes) -> ConnectError:
    try:
        said = json.loads(body)
        details = [_detail_of(detail["type"], detail["value"]) for detail in said.get("details", [])]
        return ConnectError(Code(said["code"]), str(said.get("message", "")), details)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ConnectError(_CODE_OF_STATUS.get(status, Code.UNAVAILABLE), f"The answer was HTTP status {status}.")


def _detail_of(type_name: str, value: str) -> ErrorDetail:
    padding = "=" * (-len(value) % 4)
    return ErrorDetail(Any(type_url=f"type.googleapis.com/{type_name}", value=b64decode(value + padding)))
