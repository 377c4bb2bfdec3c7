"""DaytoNah from a gRPC stack that is not ours: nothing here but grpcio and stubs made from the protos.

usage: DNAH_API_KEY=... client.py HOST:PORT PROGRAM [ARGUMENT...]

Prints one JSON object a line: the sandbox, the output as it comes, the exit, a typed error, the end.
"""

import json
import os
import sys
import uuid

import grpc
from daytonah.v1 import (
    error_pb2,
    process_pb2,
    process_pb2_grpc,
    sandbox_pb2,
    sandbox_pb2_grpc,
)
from grpc_status import rpc_status


def say(**facts):
    print(json.dumps(facts), flush=True)


def error_info(error):
    """The platform's own detail, out of the trailer grpc-status-details-bin."""
    status = rpc_status.from_call(error)
    for detail in status.details:
        info = error_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info
    raise ValueError(f"no ErrorInfo in {status}")


def say_error(error):
    info = error_info(error)
    say(
        event="error",
        code=error.code().name,
        message=error.details(),
        reason=error_pb2.ErrorReason.Name(info.reason),
        next_step=info.next_step,
        fields=[violation.field for violation in info.violations],
        request_id=info.metadata["request_id"],
    )


def main(target, args):
    authorization = ("authorization", f"Bearer {os.environ['DNAH_API_KEY']}")
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        sandboxes = sandbox_pb2_grpc.SandboxServiceStub(channel)
        processes = process_pb2_grpc.ProcessServiceStub(channel)
        created = sandboxes.CreateSandbox(
            sandbox_pb2.CreateSandboxRequest(
                metadata={"client": "grpc-python"},
                idempotency_key=uuid.uuid4().hex,
            ),
            metadata=[authorization],
            timeout=120,
        )
        sandbox_id = created.sandbox.id
        say(event="created", id=sandbox_id, state=sandbox_pb2.SandboxState.Name(created.sandbox.state))
        try:
            # The sandbox's own token is enough for its processes.
            in_sandbox = [
                ("authorization", f"Bearer {created.access_token}"),
                ("sandbox-id", sandbox_id),
            ]
            request = process_pb2.ExecRequest(argv=process_pb2.ArgumentVector(args=args))
            for response in processes.Exec(request, metadata=in_sandbox):
                event = response.WhichOneof("event")
                if event == "output":
                    stream = process_pb2.OutputStream.Name(response.output.stream)
                    say(event="output", stream=stream, text=response.output.data.decode())
                elif event == "exited":
                    say(event="exited", exit_code=response.exited.exit_code)
            try:
                sandboxes.CreateSandbox(
                    sandbox_pb2.CreateSandboxRequest(resources=sandbox_pb2.Resources(memory_mib=7)),
                    metadata=[authorization],
                )
            except grpc.RpcError as error:
                say_error(error)
        finally:
            request = sandbox_pb2.DeleteSandboxRequest(sandbox_id=sandbox_id)
            sandboxes.DeleteSandbox(request, metadata=[authorization])
            say(event="deleted")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
