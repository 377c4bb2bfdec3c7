/** The real agent as a process of this host, behind a vsock front. Build it with cargo, and name it in DNAH_TEST_INVM. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type StandInAgent, vsockFront } from "./stand-in-agent.ts";

export interface RealAgent extends AsyncDisposable {
  readonly path: string;
  readonly front: StandInAgent;
  readonly process: ChildProcess;
}

export function agentProgram(): string {
  const program = process.env.DNAH_TEST_INVM;
  if (!program) {
    throw new Error("DNAH_TEST_INVM must name the agent's program; `npm test` builds it and sets this");
  }
  return program;
}

export async function realAgent(): Promise<RealAgent> {
  const dir = await mkdtemp(join(tmpdir(), "dnah-"));
  const socket = join(dir, "agent");
  const child = spawn(agentProgram(), ["--listen-unix", socket], { stdio: ["ignore", "ignore", "inherit"] });
  const exited = once(child, "exit");
  while (!(await stat(socket).catch(() => undefined))) {
    if (child.exitCode !== null) throw new Error(`the agent exited with ${child.exitCode}`);
    await sleep(5);
  }
  const front = await vsockFront(socket);
  return {
    path: front.path,
    front,
    process: child,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
      await front[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}
