/** HTTP/2 CONNECT to `<sandbox id>:<port>`: the control plane's way to a port, as bytes, each end of its own. */
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import { createContextValues } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { joinStreams } from "@daytonah/lib/edge/join-streams.ts";
import { typedError } from "@daytonah/lib/interceptors.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { requestIdHeader, requestIdKey, requestIdOf } from "@daytonah/lib/request-id.ts";
import { dialPort } from "./dial-port.ts";
import { type ListenTlsOptions, notTheServer } from "./listen-tls.ts";
import { type CallDeps, publicPortHeader, tokenGenerationHeader } from "./sandbox-call.ts";

export function portTunnel(
  deps: CallDeps,
  isServer: (request: Http2ServerRequest) => boolean,
): ListenTlsOptions["onConnect"] {
  return (request, response) => {
    void open(deps, isServer, request, response.stream);
  };
}

async function open(
  deps: CallDeps,
  isServer: (request: Http2ServerRequest) => boolean,
  request: Http2ServerRequest,
  client: ServerHttp2Stream,
): Promise<void> {
  const requestId = requestIdOf(request.headers[requestIdHeader]);
  const leaving = new AbortController();
  client.on("error", () => undefined); // its close is what counts
  client.once("close", () => leaving.abort(new Error("the client went away")));
  try {
    if (!isServer(request)) throw notTheServer();
    const { sandboxId, port } = targetOf(request.authority);
    const requestHeader = new Headers({ "sandbox-id": sandboxId });
    for (const name of ["sandbox-epoch", tokenGenerationHeader, publicPortHeader]) {
      const value = request.headers[name];
      if (typeof value === "string") requestHeader.set(name, value);
    }
    const values = createContextValues().set(requestIdKey, requestId);
    const guest = await dialPort(deps, { requestHeader, values, signal: leaving.signal }, port);
    if (client.destroyed) return void guest.destroy();
    client.respond({ ":status": 200 });
    joinStreams({ stream: client }, { stream: guest });
  } catch (error) {
    if (client.destroyed) return;
    const failure = typedError(error, requestId);
    client.respond({ ":status": codeToHttpStatus(failure.code), "content-type": "application/json" });
    client.end(JSON.stringify(errorToJson(failure, undefined)));
  }
}

function targetOf(authority: string): { readonly sandboxId: string; readonly port: number } {
  const match = /^([a-z0-9]{1,63}):([1-9]\d{0,4})$/.exec(authority);
  const port = Number(match?.[2]);
  if (match && port <= 65_535) return { sandboxId: match[1] as string, port };
  throw fieldProblem(":authority", "must be <sandbox id>:<port>");
}
