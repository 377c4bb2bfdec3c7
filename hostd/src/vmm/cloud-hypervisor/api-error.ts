/** A request that Cloud Hypervisor refused. Statuses say little (nearly all are 500): the chain of messages tells. */
export class ChApiError extends Error {
  override readonly name = "ChApiError";
  readonly status: number;
  /** From the outermost to the root cause. */
  readonly chain: readonly string[];

  constructor(endpoint: string, status: number, chain: readonly string[]) {
    super(`${endpoint}: ${status}: ${chain.join(": ") || "without a word"}`);
    this.status = status;
    this.chain = chain;
  }
}

/**
 * Reads the body of a refusal: a JSON array of strings. What the HTTP parser itself refuses has a body that looks like
 * JSON and is none (it holds a bare newline): such a text is kept as it is.
 */
export function readChain(body: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(body);
    if (Array.isArray(parsed)) {
      return parsed.map(String);
    }
  } catch {
    // Kept as text.
  }
  const text = body.trim();
  return text === "" ? [] : [text];
}
