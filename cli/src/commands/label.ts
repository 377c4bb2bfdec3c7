import { type Command, InvalidArgumentError } from "commander";
import { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { pair } from "../flags.ts";
import { print, printJson } from "../output.ts";

interface Labels {
  readonly set: Record<string, string>;
  readonly remove: readonly string[];
}

/** Registers `dnah label`. */
export function registerLabel(program: Command): void {
  program
    .command("label")
    .description("change a sandbox's labels")
    .argument("<sandbox>", "its id")
    .argument("<labels...>", "NAME=value sets one, NAME- takes it away", label)
    .action(async (id: string, labels: Labels, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await Sandbox.connect(id, { client });
      const { metadata } = await sandbox.update({ setMetadata: labels.set, removeMetadata: labels.remove });
      if (json) return printJson(metadata);
      await print(
        Object.entries(metadata)
          .map(([name, value]) => `${name}=${value}\n`)
          .join(""),
      );
    });
}

function label(text: string, before: Labels = { set: {}, remove: [] }): Labels {
  if (text.includes("=")) return { ...before, set: pair(text, before.set) };
  if (text.length > 1 && text.endsWith("-")) return { ...before, remove: [...before.remove, text.slice(0, -1)] };
  throw new InvalidArgumentError("It must look like NAME=value or NAME-.");
}
