/** Whether a stream whose connection broke is opened once more: streams outlive their connections, within a limit. */
import { setTimeout as sleep } from "node:timers/promises";
import { GuestConnectionError } from "./guest-connection-error.ts";

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Called when the connection broke: throws where the VM is gone, and resolves where another try makes sense. */
  readonly onBreak: () => Promise<void>;
}

/** Tries in a row that bring no event. */
const maxTries = 3;
const pauseMs = 50;

export class Retries {
  readonly #options: RetryOptions;
  #tries = 0;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  /** An event came: the tries before it count no more. */
  progress(): void {
    this.#tries = 0;
  }

  /** Resolves when it is time for the next try; throws where there is none to make. */
  async after(error: unknown): Promise<void> {
    if (!(error instanceof GuestConnectionError)) throw error;
    const { signal, onBreak } = this.#options;
    await onBreak();
    this.#tries += 1;
    if (error.fault === "protocol" || this.#tries >= maxTries) throw error;
    await sleep(pauseMs * this.#tries, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
