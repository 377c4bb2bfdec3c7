"""How a process is named on the wire."""

from __future__ import annotations

from typing import Literal

from protobuf import Oneof

from ._gen.daytonah.v1 import process_pb


def selector_of(process_id: str) -> process_pb.ProcessSelector:
    selector: Oneof[Literal["process_id"], str] = Oneof("process_id", process_id)
    return process_pb.ProcessSelector(selector=selector)
