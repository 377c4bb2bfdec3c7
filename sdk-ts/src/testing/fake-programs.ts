/** The programs of a fake sandbox: enough to see output, input, exit codes and signals. */

export interface FakeIo {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Of the terminal, where there is one. */
  size(): { readonly columns: number; readonly rows: number } | undefined;
  /** Calls back for each signal, also for those that came before. */
  onSignal(receive: (signal: number) => void): void;
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
  flood: async ({ args, out, onSignal }) => {
    const [chunks, bytes] = [Number(args[1]), Number(args[2])];
    let ended = 0;
    onSignal((signal) => {
      ended = signal;
    });
    for (let chunk = 0, at = 0; chunk < chunks && !ended; chunk++, at += bytes) {
      out(Uint8Array.from({ length: bytes }, (_, index) => 97 + ((at + index) % 26)));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return ended && 128 + ended;
  },
  /** Writes "€" with its three bytes apart, to both streams by turns. */
  euro: ({ out, err }) => {
    for (const byte of new TextEncoder().encode("€")) {
      out(Uint8Array.of(byte));
      err(Uint8Array.of(byte));
    }
    return 0;
  },
  /** A terminal's shell (the line that finds it begins so): it echoes, says its window's size, and can `exit <code>`. */
  "[": async ({ stdin, out, size, env, onSignal }) => {
    let ended = 0;
    onSignal((signal) => {
      if (signal === 28) out(`resized ${size()?.columns}x${size()?.rows}\n`);
      else ended = signal;
    });
    out(`${env.TERM} $ `);
    let line = "";
    for await (const chunk of stdin) {
      out(chunk);
      line += new TextDecoder().decode(chunk);
      const [, code] = /^exit (\d+)\n/m.exec(line) ?? [];
      if (code !== undefined) return Number(code);
    }
    return 128 + ended;
  },
  /** Runs until a signal comes. */
  sleep: ({ onSignal, out }) => {
    out("sleeping\n");
    return new Promise((resolve) => onSignal((signal) => resolve(128 + signal)));
  },
  /** Says that it ignores SIGINT; ends by any other signal. */
  stubborn: ({ onSignal, out }) => {
    out("ready\n");
    return new Promise((resolve) => {
      onSignal((signal) => {
        if (signal === 2) out("ignored\n");
        else resolve(128 + signal);
      });
    });
  },
};
