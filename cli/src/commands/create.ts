import type { Command } from "commander";
import { contextOf } from "../client.ts";
import { createSandbox } from "../create-sandbox.ts";
import { addLifecycleOptions, addSizeOptions, type LifecycleFlags, lifecycleOf, type SizeFlags } from "../flags.ts";
import { print, printJson } from "../output.ts";

interface Flags extends SizeFlags, LifecycleFlags {
  readonly idempotencyKey?: string;
}

/** Registers `dnah create`. */
export function registerCreate(program: Command): void {
  addLifecycleOptions(addSizeOptions(program.command("create")))
    .description("make a sandbox and print its id")
    .option("--idempotency-key <key>", "the same key again, within a day, gives the same sandbox")
    .action(async (flags: Flags, command: Command) => {
      const { client, json } = contextOf(command);
      const { id, accessToken, directUrl, stages } = await createSandbox(client, flags, {
        idempotencyKey: flags.idempotencyKey,
        lifecycle: lifecycleOf(flags),
      });
      await (json
        ? printJson({ id, accessToken, directUrl, stages })
        : print(`${id}
`));
    });
}
