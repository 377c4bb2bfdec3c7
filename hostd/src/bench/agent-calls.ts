/** What a benchmark does with an agent, each with nothing of ours but the client of the wire. */
import { readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { AgentClient } from "../guest/agent-client.ts";
import { forwardPort } from "../guest/forward-port.ts";

const { signal } = new AbortController();
const pieceBytes = 1024 * 1024;
const mib = 1024 * 1024;
let lastProcess = 0;

export async function ping(agent: AgentClient): Promise<{ agentResidentBytes: number }> {
  const { agentResidentBytes } = await agent.unary({ case: "ping", value: {} }, "pong", { signal });
  return { agentResidentBytes: Number(agentResidentBytes) };
}

/** Runs a program to its end; resolves with its own time in the guest, ms. */
export async function exec(agent: AgentClient, args: readonly string[]): Promise<number> {
  lastProcess += 1;
  const command = { case: "argv" as const, value: { args: [...args] } };
  const value = { processId: `bench${lastProcess}`, command };
  using stream = await agent.open({ case: "startProcess", value }, { signal });
  for (;;) {
    const event = await stream.next();
    if (event === undefined) throw new Error("the program's end was not told");
    if (event.case === "processExited") return event.value.runTime ? durationMs(event.value.runTime) : 0;
  }
}

/** Starts byte_server.py, which ends with the VM. Resolves when it listens. */
export async function startByteServer(agent: AgentClient, port: number): Promise<void> {
  lastProcess += 1;
  const program = readFileSync(new URL("byte_server.py", import.meta.url), "utf8");
  const command = { case: "argv" as const, value: { args: ["python3", "-c", program, String(port)] } };
  const value = { processId: `bench${lastProcess}`, command };
  const stream = await agent.open({ case: "startProcess", value }, { signal });
  for (let event = await stream.next(); event?.case !== "processOutput"; event = await stream.next()) {
    if (event === undefined || event.case === "processExited") throw new Error("the server did not start");
  }
}

/** Writes zeros to a path; MiB/s. */
export async function writeFile(agent: AgentClient, path: string, bytes: number): Promise<number> {
  const piece = Buffer.alloc(pieceBytes);
  const began = performance.now();
  using stream = await agent.open({ case: "writeFile", value: { path } }, { signal, timeoutMs: 600_000 });
  for (let sent = 0; sent < bytes; sent += pieceBytes) await stream.send(piece);
  await stream.sendClose();
  while ((await stream.next()) !== undefined);
  return rateOf(bytes, began);
}

/** Reads a path and throws it away; MiB/s. */
export async function readFile(agent: AgentClient, path: string): Promise<number> {
  const began = performance.now();
  let bytes = 0;
  using stream = await agent.open({ case: "readFile", value: { path } }, { signal });
  for (let event = await stream.next(); event; event = await stream.next()) {
    if (event.case === "data") bytes += event.value.length;
  }
  return rateOf(bytes, began);
}

/** A `cat` on a terminal; each call types one letter and resolves with the time until it is shown, ms. */
export async function openEcho(agent: AgentClient): Promise<() => Promise<number>> {
  lastProcess += 1;
  const processId = `bench${lastProcess}`;
  const command = { case: "argv" as const, value: { args: ["cat"] } };
  const pty = { columns: 80, rows: 24 };
  const stream = await agent.open({ case: "startProcess", value: { processId, command, pty } }, { signal });
  await stream.next();
  let offset = 0n;
  return async () => {
    const process = { selector: { case: "processId" as const, value: processId } };
    const value = { process, offset, data: Buffer.from("x") };
    const began = performance.now();
    offset = (await agent.unary({ case: "sendInput", value }, "inputAccepted", { signal })).nextOffset;
    for (let event = await stream.next(); event?.case !== "processOutput"; event = await stream.next()) {
      if (event === undefined) throw new Error("the terminal ended");
    }
    return performance.now() - began;
  };
}

/** A kept connection to a port of the guest, and requests over it one after the other. */
export async function openHttp(agent: AgentClient, port: number): Promise<(path: string) => Promise<number>> {
  return requestsOver(await forwardPort(agent, port, { signal }));
}

/** Resolves with the length of the body. Just enough HTTP to be no part of what is measured. */
function requestsOver(connection: Duplex): (path: string) => Promise<number> {
  const chunks = connection[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return async (path) => {
    connection.write(`GET ${path} HTTP/1.1\r\nhost: bench\r\n\r\n`);
    let head = "";
    let wanted = Number.POSITIVE_INFINITY;
    for (let body = 0; body < wanted; ) {
      const { value, done } = await chunks.next();
      if (done) throw new Error("the connection ended too early");
      if (wanted < Number.POSITIVE_INFINITY) {
        body += value.length;
        continue;
      }
      head += value.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      wanted = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      body = head.length - end - 4;
    }
    return wanted;
  };
}

export function rateOf(bytes: number, began: number): number {
  return bytes / mib / ((performance.now() - began) / 1000);
}
