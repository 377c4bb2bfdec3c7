import type { Command } from "commander";
import { Sandbox } from "daytonah";
import { CliError } from "../cli-error.ts";
import { contextOf } from "../client.ts";
import { pair } from "../flags.ts";
import { note } from "../output.ts";
import { defaultDetachKey, readDetachKey } from "../terminal/detach-key.ts";
import { joinTerminal } from "../terminal/join-terminal.ts";
import { windowSize } from "../terminal/raw-mode.ts";

interface Flags {
  readonly attach?: string;
  readonly env?: Record<string, string>;
  readonly workdir?: string;
  readonly user?: string;
  readonly detachKey: string;
}

/** Registers `dnah shell`. */
export function registerShell(program: Command): void {
  program
    .command("shell")
    .description("open a terminal in a sandbox; ends with its program's exit code, or 125")
    .argument("<sandbox>", "its id")
    .argument("[command...]", "what runs on it, after -- (default: the user's login shell)")
    .option("-a, --attach <process>", "go back to a terminal that was left")
    .option("-e, --env <name=value>", "environment of the command; may be repeated", pair)
    .option("-w, --workdir <folder>", "working directory (default: the user's home)")
    .option("-u, --user <name>", "user in the sandbox")
    .option("--detach-key <key>", "leaves the terminal, which runs on; or none", defaultDetachKey)
    .action(async (id: string, argv: string[], flags: Flags, command: Command) => {
      const detachKey = readDetachKey(flags.detachKey);
      if (flags.attach !== undefined && argv.length > 0)
        throw new CliError("A terminal that is there has its command.", "Leave out --attach, or the command.");
      const { client } = contextOf(command);
      const sandbox = await Sandbox.connect(id, { client });
      const pty = await openTerminal(sandbox, argv, flags);
      const end = await joinTerminal(pty, detachKey);
      if (end.t === "exited") process.exitCode = end.exitCode;
      else await note(`\r\ndnah: the terminal runs on.\nback: dnah shell ${id} --attach ${pty.id}`);
    });
}

async function openTerminal(sandbox: Sandbox, argv: readonly string[], flags: Flags) {
  const size = windowSize(process.stdout);
  if (flags.attach === undefined) {
    const { env, workdir: cwd, user } = flags;
    const term = process.env.TERM ? { TERM: process.env.TERM } : {};
    const command = argv.length > 0 ? { command: argv } : {};
    return sandbox.pty({ ...command, ...size, env: { ...term, ...env }, cwd, user });
  }
  const pty = await sandbox.attachPty(flags.attach);
  if (size) await pty.resize(size);
  return pty;
}
