/** The client of a command. */
import type { Command } from "commander";
import { Client } from "daytonah";
import { type GlobalFlags, readSettings, settingsSources } from "./settings.ts";

export interface CommandContext {
  readonly client: Client;
  readonly json: boolean;
}

export function contextOf(command: Command): CommandContext {
  const flags = command.optsWithGlobals<GlobalFlags>();
  return { client: new Client(readSettings(settingsSources(flags))), json: flags.json ?? false };
}
