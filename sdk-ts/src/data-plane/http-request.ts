/** Requests to a sandbox over plain HTTP, for what is too large for calls: docs/http-files.md. */
import { convertError } from "../convert-error.ts";
import type { DataPlane } from "./data-plane.ts";
import type { DataWay } from "./data-way.ts";
import { httpErrorOf } from "./http-error.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT";
  /** What of the sandbox: whole files, or trees of them. */
  readonly resource: "files" | "archive";
  readonly query: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyInit;
  readonly signal: AbortSignal;
}

/** The answer, where it is a success. Throws this package's errors. */
export async function httpRequest(plane: DataPlane, way: DataWay, request: HttpRequest): Promise<Response> {
  const { method, resource, headers, body, signal } = request;
  const url = `${way.url}/v1/sandboxes/${plane.sandboxId}/${resource}?${queryOf(request.query)}`;
  const init: RequestInit & { duplex?: "half" } = {
    method,
    headers: { ...plane.headers, ...headers },
    signal,
    credentials: "omit",
    ...(body === undefined ? {} : { body }),
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  };
  try {
    const answer = await fetch(url, init);
    if (answer.ok) return answer;
    throw httpErrorOf(answer.status, new Uint8Array(await answer.arrayBuffer()));
  } catch (error) {
    throw convertError(error, signal);
  }
}

function queryOf(query: HttpRequest["query"]): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === "string" ? [value] : (value ?? [])) params.append(name, one);
  }
  return params;
}
