/** Pages have no TCP. */
import type { Duplex } from "node:stream";
import { UnsupportedError } from "../errors.ts";
import type { ForwardOptions, PortForward, TcpTarget } from "../ports/port-types.ts";

export function openTcp(_target: TcpTarget): Promise<Duplex> {
  return Promise.reject(unsupported());
}

export function forwardTcp(_connect: () => Promise<Duplex>, _options: ForwardOptions): Promise<PortForward> {
  return Promise.reject(unsupported());
}

function unsupported(): UnsupportedError {
  return new UnsupportedError("Bare TCP connections need Node.", {
    code: "unimplemented",
    nextStep: "Reach the port by its address instead: sandbox.ports.url(port).",
  });
}
