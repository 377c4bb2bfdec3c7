import type { Socket } from "node:net";
import { connectOwned } from "../../host/connect-owned.ts";

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface QmpCallOptions {
  readonly signal: AbortSignal;
  /** Default 30 s: a loaded host starves an emulated machine for long. */
  readonly timeoutMs?: number;
}

/** QEMU refused a command. `errorClass` is its own word, such as "DeviceNotFound" or "GenericError". */
export class QmpError extends Error {
  override readonly name = "QmpError";
  readonly command: string;
  readonly errorClass: string;

  constructor(command: string, errorClass: string, description: string) {
    super(`qmp ${command}: ${description}`);
    this.command = command;
    this.errorClass = errorClass;
  }
}

/** The connection ended, by QEMU's end or by bytes that are no QMP. */
export class QmpClosedError extends Error {
  override readonly name = "QmpClosedError";
}

/** No sane message is longer; what is longer comes from a broken peer and must not fill our memory. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 30_000;

interface Waiter {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A client of the QEMU Machine Protocol. */
export class QmpClient {
  /** Settles when the connection is over. Never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiters = new Map<number, Waiter>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #greeted = Promise.withResolvers<void>();
  #nextId = 1;
  #line: Buffer[] = [];
  #lineBytes = 0;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.#greeted.promise.catch(() => {});
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
    socket.on("close", () => {
      const error = new QmpClosedError("qmp: the connection is closed", { cause: this.#failure });
      this.#greeted.reject(error);
      for (const waiter of this.#waiters.values()) {
        waiter.reject(error);
      }
      this.#waiters.clear();
      closed.resolve();
    });
  }

  /** Connects to QEMU, which runs as `uid`, waits for its greeting and enters command mode. `onEvent` gets every event from the first on. */
  static async connect(
    path: string,
    options: QmpCallOptions & { uid: number; onEvent?: (event: QmpEvent) => void },
  ): Promise<QmpClient> {
    options.signal.throwIfAborted();
    const client = new QmpClient(connectOwned(path, options.uid));
    if (options.onEvent !== undefined) {
      client.#listeners.add(options.onEvent);
    }
    try {
      await raced(client.#greeted.promise, "qmp greeting", options);
      await client.execute("qmp_capabilities", {}, options);
      return client;
    } catch (error) {
      client.close();
      // "Not there" and "refused" tell a caller to try again.
      throw error instanceof QmpClosedError && error.cause !== undefined ? error.cause : error;
    }
  }

  /** Runs one command; rejects with QmpError where QEMU refuses it. After an abort its answer is dropped. */
  async execute(command: string, args: Readonly<Record<string, unknown>>, options: QmpCallOptions): Promise<unknown> {
    options.signal.throwIfAborted();
    if (this.#socket.destroyed) {
      throw new QmpClosedError(`qmp ${command}: the connection is closed`, { cause: this.#failure });
    }
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiters.set(id, { command, resolve, reject });
    try {
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
      return await raced(promise, `qmp ${command}`, options);
    } finally {
      this.#waiters.delete(id);
    }
  }

  /** Runs `trigger` and waits for the first later event that matches. */
  async eventAfter(
    trigger: () => Promise<unknown>,
    matches: (event: QmpEvent) => boolean,
    options: QmpCallOptions,
  ): Promise<QmpEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<QmpEvent>();
    const listener = (event: QmpEvent) => {
      if (matches(event)) {
        resolve(event);
      }
    };
    this.#listeners.add(listener);
    const closed = () => reject(new QmpClosedError("qmp: the connection is closed", { cause: this.#failure }));
    void this.closed.then(closed);
    promise.catch(() => {});
    try {
      await trigger();
      return await raced(promise, "qmp event", options);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(0x0a);
      const piece = end < 0 ? rest : rest.subarray(0, end);
      this.#lineBytes += piece.length;
      if (this.#lineBytes > MAX_LINE_BYTES) {
        this.#fail(new QmpClosedError(`qmp: a line is longer than ${MAX_LINE_BYTES} bytes`));
        return;
      }
      this.#line.push(piece);
      if (end < 0) {
        return;
      }
      const line = Buffer.concat(this.#line).toString().trim();
      this.#line = [];
      this.#lineBytes = 0;
      if (line !== "" && !this.#takeLine(line)) {
        return;
      }
      rest = rest.subarray(end + 1);
    }
  }

  #takeLine(line: string): boolean {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch (cause) {
      this.#fail(new QmpClosedError("qmp: a line is not JSON", { cause }));
      return false;
    }
    if (!isRecord(message)) {
      this.#fail(new QmpClosedError("qmp: a line is not an object"));
      return false;
    }
    if ("QMP" in message) {
      this.#greeted.resolve();
    } else if (typeof message.event === "string") {
      const event = { event: message.event, data: isRecord(message.data) ? message.data : {} };
      for (const listener of [...this.#listeners]) {
        listener(event);
      }
    } else if (typeof message.id === "number") {
      this.#settle(message.id, message);
    }
    return true;
  }

  #settle(id: number, message: Readonly<Record<string, unknown>>): void {
    const waiter = this.#waiters.get(id);
    if (waiter === undefined) {
      return;
    }
    if ("return" in message) {
      waiter.resolve(message.return);
      return;
    }
    const error = isRecord(message.error) ? message.error : {};
    waiter.reject(new QmpError(waiter.command, String(error.class), String(error.desc)));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
  }
}

/** The promise, or the abort, or the time-out, whichever is first. */
async function raced<T>(promise: Promise<T>, what: string, options: QmpCallOptions): Promise<T> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const stop = Promise.withResolvers<never>();
  const abort = () => stop.reject(options.signal.reason);
  const timer = setTimeout(() => stop.reject(new Error(`${what}: no answer within ${timeoutMs} ms`)), timeoutMs);
  options.signal.addEventListener("abort", abort, { once: true });
  if (options.signal.aborted) {
    abort();
  }
  try {
    return await Promise.race([promise, stop.promise]);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", abort);
    promise.catch(() => {});
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
