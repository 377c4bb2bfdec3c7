/**
 * Completion for bash, zsh and fish: `dnah completion <shell>` prints the script, which asks `dnah complete -- words…` at each
 * Tab. Commands and options come from the command line itself, ids of sandboxes from the platform.
 */
import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { Client, Sandbox } from "daytonah";
import { readSettings, settingsSources } from "./settings.ts";

/** Somebody waits at a prompt. */
const patienceMs = 1_500;
const longestList = 100;

type Completion = ReturnType<typeof tab>;

/** Registers `dnah completion`. */
export function registerCompletion(program: Command): Completion {
  return tab(program, { completionCommandName: "completion" });
}

/** Where the shell asks: finds what only the platform knows, beforehand, since the answer is made at once. */
export async function prepareCompletion(completion: Completion, argv: readonly string[]): Promise<void> {
  if (argv[0] !== "complete") return;
  const sandboxes = await listedSandboxes();
  for (const command of completion.commands.values()) {
    const argument = command.arguments.get("sandbox");
    if (!argument) continue;
    argument.handler = (complete) => {
      for (const { id, about } of sandboxes) complete(id, about);
    };
  }
}

/** None where the platform does not answer: a completion is no place for complaints. */
async function listedSandboxes(): Promise<readonly { readonly id: string; readonly about: string }[]> {
  const found: { id: string; about: string }[] = [];
  try {
    const client = new Client({ ...readSettings(settingsSources({})), maxRetries: 0 });
    for await (const { id, state, metadata } of Sandbox.list({ client, signal: AbortSignal.timeout(patienceMs) })) {
      const labels = Object.entries(metadata).map(([name, value]) => `${name}=${value}`);
      found.push({ id, about: [state, ...labels].join(" ") });
      if (found.length === longestList) break;
    }
  } catch {
    // See above.
  }
  return found;
}
