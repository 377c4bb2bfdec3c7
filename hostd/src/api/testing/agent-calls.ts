/** Every call of the data plane that asks an agent, and a sandbox of an agent that is not to be trusted. */
import { ConnectError } from "@connectrpc/connect";
import { LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { expect } from "vitest";
import type { StandInAgent } from "../../guest/testing/stand-in-agent.ts";
import { oneVm } from "./one-vm.ts";

type Vm = Awaited<ReturnType<typeof oneVm>>;
export interface CallOptions {
  readonly headers: Record<string, string>;
  readonly timeoutMs: number;
}
export type Call = (vm: Vm, options: CallOptions) => Promise<unknown>;

const process = { selector: { case: "processId" as const, value: "p" } };
const command = { case: "shell" as const, value: { line: "true" } };
const piece = { uploadId: "u", offset: 0n, last: true };
const data = new Uint8Array(3);

/** Reads a stream to its end; says how much came. */
export async function all(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of stream) count += 1;
  return count;
}

/** By its name; some in more than one way. */
export const agentCalls: Readonly<Record<string, Call>> = {
  exec: (vm, o) => all(vm.processes.exec({ command }, o)),
  attachProcess: (vm, o) => all(vm.processes.attachProcess({ process }, o)),
  sendInput: (vm, o) => vm.processes.sendInput({ process, data }, o),
  signalProcess: (vm, o) => vm.processes.signalProcess({ process, signal: 9 }, o),
  listProcesses: (vm, o) => vm.processes.listProcesses({}, o),
  resizePty: (vm, o) => vm.processes.resizePty({ process, size: { columns: 9, rows: 9 } }, o),
  getEnvironment: (vm, o) => vm.processes.getEnvironment({}, o),
  setEnvironment: (vm, o) => vm.processes.setEnvironment({ set: { A: "b" } }, o),
  readFile: (vm, o) => all(vm.files.readFile({ path: "/a" }, o)),
  writeFile: (vm, o) => vm.files.writeFile({ path: "/a", data }, o),
  "writeFile of a piece": (vm, o) => vm.files.writeFile({ path: "/a", data, piece }, o),
  statFile: (vm, o) => vm.files.statFile({ path: "/a" }, o),
  listDirectory: (vm, o) => all(vm.files.listDirectory({ path: "/a" }, o)),
  makeDirectory: (vm, o) => vm.files.makeDirectory({ path: "/a" }, o),
  moveFile: (vm, o) => vm.files.moveFile({ source: "/a", destination: "/b" }, o),
  removeFile: (vm, o) => vm.files.removeFile({ path: "/a" }, o),
  setAttributes: (vm, o) => vm.files.setAttributes({ path: "/a", mode: 0o600 }, o),
  watchFiles: (vm, o) => all(vm.files.watchFiles({ path: "/a" }, o)),
  createFileWatch: (vm, o) => vm.files.createFileWatch({ path: "/a" }, o),
  searchFiles: (vm, o) => all(vm.files.searchFiles({ path: "/a", limit: 3 }, o)),
  replaceInFiles: (vm, o) => vm.files.replaceInFiles({ paths: ["/a", "/b"], pattern: "x" }, o),
  listPorts: (vm, o) => vm.ports.listPorts({}, o),
  watchPorts: (vm, o) => all(vm.ports.watchPorts({}, o)),
  getMetrics: (vm, o) => vm.monitoring.getMetrics({}, o),
  "readLogs of the agent": (vm, o) => all(vm.monitoring.readLogs({ sources: [LogSource.AGENT], follow: true }, o)),
  "readLogs of processes": (vm, o) => all(vm.monitoring.readLogs({ sources: [LogSource.PROCESS] }, o)),
};

/** Of a client that waits for the daemon's verdict. */
export const patienceMs = 15_000;

/** Told to fail its calls, it says how they did. */
export async function sandboxOf(agent: StandInAgent) {
  const vm = await oneVm(agent.path);
  return {
    ...{ agent, vm },
    failure: async (call: Call, timeoutMs = patienceMs) => {
      const error = await call(vm, { headers: vm.headers, timeoutMs }).then(
        (answer) => expect.fail(`the call should have failed: ${answer}`),
        (reason: unknown) => reason,
      );
      const { code } = ConnectError.from(error);
      const known = problemOf(error);
      return { code, reason: known?.reason, fault: known?.options.metadata?.fault };
    },
    async [Symbol.asyncDispose]() {
      vm.die();
      await vm[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}
