/**
 * Aborted by the first SIGINT or SIGTERM. Each section looks at it where it would begin its next round, so that it ends as by a
 * failure there, and deletes what it made.
 */
const controller = new AbortController();

export const interruption = controller.signal;

export function watchInterrupts(): void {
  for (const [name, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(name, () => {
      process.stderr.write("interrupted: deletes what it made ...\n");
      controller.abort(new Interruption(code));
    });
  }
}

export class Interruption extends Error {
  override readonly name = "Interruption";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}
