import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";

/** The error that an answer over plain HTTP stands for: the platform's own in JSON, else what a proxy may have said. */
export function httpErrorOf(status: number, body: Uint8Array): ConnectError {
  const fallback = new ConnectError(`The answer was HTTP status ${status}.`, codeFromHttpStatus(status));
  try {
    return errorFromJsonBytes(body, undefined, fallback);
  } catch {
    return fallback.code === Code.Unknown ? new ConnectError(fallback.rawMessage, Code.Unavailable) : fallback;
  }
}
