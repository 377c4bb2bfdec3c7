/** Creates a sandbox for `create` and `run`: Ctrl-C gives it up. */
import { type Client, type CreateSandboxOptions, Sandbox } from "daytonah";
import { CliError } from "./cli-error.ts";
import { exitCodes } from "./exit-codes.ts";
import { createOptionsOf, type SizeFlags } from "./flags.ts";
import { handleInterrupts } from "./interrupts.ts";
import { note } from "./output.ts";

export async function createSandbox(
  client: Client,
  flags: SizeFlags,
  more: Pick<CreateSandboxOptions, "idempotencyKey" | "lifecycle"> = {},
): Promise<Sandbox> {
  const controller = new AbortController();
  const givenUp = new CliError(
    "The create was given up.",
    "Nothing: the platform deletes what it has of the sandbox.",
    {
      exitCode: exitCodes.interrupted,
    },
  );
  using _interrupts = handleInterrupts(() => controller.abort(givenUp));
  const start = performance.now();
  const { signal } = controller;
  const sandbox = await Sandbox.create({ ...createOptionsOf(flags), ...more, client, signal });
  if (flags.verbose) {
    const stages = sandbox.stages.map(({ stage, ms }) => `${stage} ${ms.toFixed(1)}`).join(", ");
    await note(`dnah: ${sandbox.id} was created in ${(performance.now() - start).toFixed(1)} ms (ms each: ${stages})`);
  }
  return sandbox;
}
