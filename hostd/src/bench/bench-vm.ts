/** A VM of the driver alone, with an agent and nothing of ours in between. */
import { type AgentClient, agentPort, createAgentClient } from "../guest/agent-client.ts";
import { awaitAgent } from "../guest/await-agent.ts";
import type { Vm } from "../vmm/vmm.ts";
import { type BenchOptions, openBenchHost } from "./bench-host.ts";

const { signal } = new AbortController();

/** Boots one, hands its agent over, and takes all of it away again. `bootMs`: from the VMM's start to the agent's first answer. */
export async function withBenchVm(
  options: BenchOptions,
  work: (agent: AgentClient, bootMs: number) => Promise<void>,
): Promise<void> {
  await using host = await openBenchHost(options);
  const config = await host.prepare(0);
  const began = performance.now();
  const vm = await host.vmm.boot(config, { signal });
  const agent = await agentOf(vm);
  await work(agent, performance.now() - began);
  await vm.kill();
}

/** Resolves when it answers. */
export async function agentOf({ vsockPath }: Vm): Promise<AgentClient> {
  const agent = createAgentClient({ path: vsockPath, port: agentPort });
  await awaitAgent(agent, { signal });
  return agent;
}
