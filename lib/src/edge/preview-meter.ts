/** What Prometheus gets of visits to ports: the control plane and every host's edge count their own. */
import type { Readable } from "node:stream";
import { Counter, Gauge, type Registry } from "prom-client";
import type { ReasonName } from "../problem-reasons.ts";

export interface PreviewMeter {
  /** A request, or a connection that leaves HTTP, was let in; call what it returns when it is over. */
  begun(): () => void;
  /** It was turned away, or the guest gave no answer. */
  failed(reason: ReasonName): void;
  /** Counts what is read of a stream; call it where the stream is piped on. */
  count(stream: Readable, direction: "to_guest" | "to_client"): void;
}

export function createPreviewMeter(register: Registry): PreviewMeter {
  const registers = [register];
  const requests = new Counter({
    name: "dnah_preview_requests_total",
    help: "Requests to ports of sandboxes that were let in, connections that leave HTTP among them.",
    registers,
  });
  const open = new Gauge({ name: "dnah_preview_open", help: "Those under way.", registers });
  const failures = new Counter({
    name: "dnah_preview_failures_total",
    help: "Requests to ports that we answered ourselves, by reason: turned away, or without an answer of the program's.",
    labelNames: ["reason"],
    registers,
  });
  const bytes = new Counter({
    name: "dnah_preview_bytes_total",
    help: "Bytes of bodies and of connections that left HTTP.",
    labelNames: ["direction"],
    registers,
  });
  return {
    begun() {
      requests.inc();
      open.inc();
      return () => open.dec();
    },
    failed: (reason) => failures.inc({ reason }),
    count(stream, direction) {
      const child = bytes.labels({ direction });
      stream.on("data", (chunk: Uint8Array) => child.inc(chunk.length));
    },
  };
}
