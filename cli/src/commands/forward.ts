import { type Command, InvalidArgumentError } from "commander";
import { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { failureText } from "../failure.ts";
import { port } from "../flags.ts";
import { endingOnInterrupt } from "../interrupts.ts";
import { note, print, printJson } from "../output.ts";

interface PortPair {
  readonly localPort: number;
  readonly remotePort: number;
}

/** Registers `dnah forward`. */
export function registerForward(program: Command): void {
  program
    .command("forward")
    .description("listen on this machine's ports and lead each connection to a sandbox's, until Ctrl-C")
    .argument("<sandbox>", "its id")
    .argument("<ports...>", "PORT, or LOCAL:PORT; LOCAL 0 takes a free one", portPairs)
    .option("--address <address>", "where to listen", "127.0.0.1")
    .action(async (id: string, pairs: PortPair[], flags: { address: string }, command: Command) => {
      const { client, json } = contextOf(command);
      using interrupt = endingOnInterrupt();
      const { signal } = interrupt;
      const sandbox = await Sandbox.connect(id, { client, signal });
      await using open = new AsyncDisposableStack();
      for (const { localPort, remotePort } of pairs) {
        const onError = (error: unknown) => void note(failureText(error).trimEnd());
        const options = { localPort, localHost: flags.address, onError };
        const { localHost, localPort: listening } = open.use(await sandbox.ports.forward(remotePort, options));
        if (json) await printJson({ localHost, localPort: listening, port: remotePort });
        else await print(`${localHost}:${listening} -> ${id}:${remotePort}\n`);
      }
      await interrupt.until(() => new Promise<never>(() => undefined));
    });
}

function portPairs(text: string, before: readonly PortPair[] = []): PortPair[] {
  const parts = text.split(":");
  if (parts.length > 2) throw new InvalidArgumentError("It must look like PORT or LOCAL:PORT.");
  const [local, remote] = parts.length === 2 ? parts : [text, text];
  return [...before, { localPort: local === "0" ? 0 : port(local as string), remotePort: port(remote as string) }];
}
