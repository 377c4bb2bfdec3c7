import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { defined } from "../convert.ts";
import type { Command, ProgramOptions } from "./exec-types.ts";

/** What every way to start a program has in common. */
export function execRequestOf(command: Command, options: ProgramOptions) {
  const { timeoutMs, replayBytes, pty } = options;
  return defined({
    command: commandOf(command, options.login ?? false),
    env: { ...options.env },
    cwd: options.cwd,
    user: options.user,
    tag: options.tag,
    timeout: timeoutMs === undefined ? undefined : durationFromMs(timeoutMs),
    pty: pty && { ...pty },
    replayBytes: replayBytes === undefined ? undefined : BigInt(replayBytes),
  });
}

function commandOf(command: Command, login: boolean) {
  return typeof command === "string"
    ? { case: "shell" as const, value: { line: command, login } }
    : { case: "argv" as const, value: { args: [...command] } };
}
