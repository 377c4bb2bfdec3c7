/** The addresses of a sandbox's files over plain HTTP, which the control plane and the sandbox's host read alike. */
import type { FileGrant } from "./sandbox-signature.ts";

export interface FilesAddress {
  readonly sandboxId: string;
  /** One file, or several as a tar archive. */
  readonly resource: "files" | "archive";
  readonly query: URLSearchParams;
}

/** Undefined where the address is another. */
export function readFilesAddress(url: string): FilesAddress | undefined {
  const match = /^\/v1\/sandboxes\/([a-z0-9]{1,63})\/(files|archive)(?:\?([^#]*))?$/.exec(url);
  if (!match) return undefined;
  const [, sandboxId = "", resource, query] = match;
  return { sandboxId, resource: resource as FilesAddress["resource"], query: new URLSearchParams(query) };
}

/** What a signed address must allow for this request; undefined where it is not signed. An archive is of no single path. */
export function fileGrantOf(method: string, { sandboxId, resource, query }: FilesAddress): FileGrant | undefined {
  const path = query.get("path");
  if (resource !== "files" || path === null || !query.has("signature")) return undefined;
  const reads = method === "GET" || (method === "HEAD" && !query.has("upload_id"));
  return { sandboxId, operation: reads ? "read" : "write", path, user: query.get("user") ?? "" };
}
