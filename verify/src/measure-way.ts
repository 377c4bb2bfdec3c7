/** One way to a sandbox, through the control plane or straight to its host: execs, files, a terminal, a port. */
import http from "node:http";
import type { Sandbox } from "daytonah";
import { atOnce, rate, repeat, repeatDuring } from "./timing.ts";

const mib = 1024 * 1024;
/** In the guest's memory, so that no disk is measured. */
const file = "/dev/shm/perf";

export interface WayOptions {
  readonly execs: number;
  readonly contentMib: number;
  /** Content that another client uploads meanwhile. */
  readonly uploadMib: number;
  /** Where a server answers `/<n>` with n bytes, and the address of it on this way. */
  readonly portUrl: string;
}

export type WayFigures = Awaited<ReturnType<typeof measureWay>>;

/** `other` is a second client of the same sandbox. */
export async function measureWay(sandbox: Sandbox, other: Sandbox, options: WayOptions) {
  const runTrue = () => sandbox.exec(["/bin/true"], { check: true });
  const exec = await repeat(options.execs, runTrue);
  const execMany = await atOnce(100, runTrue);
  const uploading = other.files.write("/tmp/perf-upload", zeros(options.uploadMib));
  const execUpload = await repeatDuring(uploading, runTrue);
  await uploading;
  await sandbox.files.remove("/tmp/perf-upload");
  const bytes = options.contentMib * mib;
  const writeRate = await rate(bytes, () => sandbox.files.write(file, zeros(options.contentMib)));
  const readRate = await rate(bytes, () => drain(sandbox.files.stream(file)));
  await sandbox.files.remove(file);
  return {
    exec,
    execMany,
    execUpload,
    writeRate,
    readRate,
    ...(await measureTerminal(sandbox)),
    ...(await measurePort(options)),
  };
}

async function measureTerminal(sandbox: Sandbox) {
  const pty = await sandbox.pty({ command: ["cat"] });
  const shown = pty[Symbol.asyncIterator]();
  const ptyEcho = await repeat(100, async () => {
    const [{ done }] = await Promise.all([shown.next(), pty.write("x")]);
    if (done) throw new Error("the terminal ended");
  });
  await shown.return();
  await sandbox.signal(pty.id, "SIGKILL");
  return { ptyEcho };
}

async function measurePort({ portUrl, contentMib }: WayOptions) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const get = (count: number) => fetchOver(agent, portUrl, count);
  const edge = await repeat(100, () => get(1));
  const edgeRate = await rate(contentMib * mib, () => get(contentMib * mib));
  agent.destroy();
  return { edge, edgeRate };
}

/** `*.localhost` is this machine, also where the resolver does not know. */
function fetchOver(agent: http.Agent, portUrl: string, count: number): Promise<void> {
  const url = new URL(portUrl);
  const token = url.searchParams.get("dnah_token") ?? "";
  const { port, hostname } = url;
  const address = hostname.endsWith("localhost") ? "127.0.0.1" : hostname;
  const headers = { host: url.host, "dnah-port-token": token };
  return new Promise((resolve, reject) => {
    const request = http.get({ agent, host: address, port, path: `/${count}`, headers }, (response) => {
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
      });
      response.once("error", reject);
      response.once("end", () =>
        response.statusCode === 200 && length === count
          ? resolve()
          : reject(new Error(`${portUrl} answered ${response.statusCode} with ${length} bytes`)),
      );
    });
    request.once("error", reject);
  });
}

async function* zeros(count: number): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(mib);
  for (let n = 0; n < count; n += 1) yield piece;
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks);
}
