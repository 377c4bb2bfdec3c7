/** The programs of a fake sandbox: enough to see output, input, exit codes and signals. */

export interface FakeIo {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Aborted when a signal came; its reason is the signal's number. */
  readonly killed: AbortSignal;
  out(data: string | Uint8Array): void;
  err(data: string | Uint8Array): void;
}

export type FakeProgram = (io: FakeIo) => Promise<number> | number;

export const fakePrograms: Readonly<Record<string, FakeProgram>> = {
  echo: ({ args, out }) => {
    out(`${args.slice(1).join(" ")}\n`);
    return 0;
  },
  oops: ({ args, err }) => {
    err(`${args.slice(1).join(" ")}\n`);
    return 1;
  },
  exit: ({ args }) => Number(args[1]),
  env: ({ env, out }) => {
    for (const [name, value] of Object.entries(env)) out(`${name}=${value}\n`);
    return 0;
  },
  where: ({ cwd, user, out }) => {
    out(`${user}:${cwd}\n`);
    return 0;
  },
  cat: async ({ stdin, out }) => {
    for await (const chunk of stdin) out(chunk);
    return 0;
  },
  /** flood <chunks> <bytes in each>: letters that go round, so that a lost or doubled byte shows. */
  flood: async ({ args, out }) => {
    const [chunks, bytes] = [Number(args[1]), Number(args[2])];
    for (let chunk = 0, at = 0; chunk < chunks; chunk++, at += bytes) {
      out(Uint8Array.from({ length: bytes }, (_, index) => 97 + ((at + index) % 26)));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return 0;
  },
  /** Writes "€" with its three bytes apart, to both streams by turns. */
  euro: ({ out, err }) => {
    for (const byte of new TextEncoder().encode("€")) {
      out(Uint8Array.of(byte));
      err(Uint8Array.of(byte));
    }
    return 0;
  },
  /** Runs until a signal comes. */
  sleep: ({ killed, out }) => {
    out("sleeping\n");
    return new Promise((resolve) => {
      const end = () => resolve(128 + Number(killed.reason));
      if (killed.aborted) end();
      killed.addEventListener("abort", end);
    });
  },
};
