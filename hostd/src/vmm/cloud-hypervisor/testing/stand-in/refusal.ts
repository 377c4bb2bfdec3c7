/** What the API answers with: a status, and a chain of messages from the outermost to the root cause. */
export class Refusal extends Error {
  readonly status: number;
  readonly chain: readonly string[];

  constructor(status: number, ...chain: string[]) {
    super(chain.join(": "));
    this.status = status;
    this.chain = chain;
  }
}

/** Nearly everything is a 500, whatever was wrong. */
export function refused(...chain: string[]): Refusal {
  return new Refusal(500, "Error from API", ...chain);
}

export function osError(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  const texts: Record<string, string> = {
    ENOENT: "No such file or directory",
    EACCES: "Permission denied",
    EEXIST: "File exists",
    EADDRINUSE: "Address in use",
  };
  return `${texts[code ?? ""] ?? code ?? error} (os error ${Math.abs(errno ?? 0)})`;
}
