import { constants, watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** One thing that happened in the VMM. Its time counts from the VMM's start, so it says nothing here. */
export interface ChEvent {
  readonly source: string;
  readonly event: string;
  readonly properties: Readonly<Record<string, unknown>> | null;
}

/** More without an end of an event is none. */
const MOST_EVENT_BYTES = 64 * 1024;
const MOST_FILE_BYTES = 1024 * 1024;

/** Takes the text of the event file in pieces: each event is JSON over several lines, and a blank line. */
export class EventParser {
  #text = "";

  push(text: string): readonly ChEvent[] {
    // Zeros are the hole where the file was emptied.
    const parts = (this.#text + text.replaceAll("\0", "")).split("\n\n");
    const rest = parts.pop() ?? "";
    this.#text = rest.length > MOST_EVENT_BYTES ? "" : rest;
    return parts.map(readEvent).filter((event) => event !== undefined);
  }
}

function readEvent(text: string): ChEvent | undefined {
  try {
    const { source, event, properties } = JSON.parse(text);
    return typeof source === "string" && typeof event === "string"
      ? { source, event, properties: properties ?? null }
      : undefined;
  } catch {
    // Torn: the VMM gives up on what can't be written at once. Nothing may depend on events alone.
    return undefined;
  }
}

export interface EventFollower {
  /** Takes what is there by now. */
  catchUp(): Promise<void>;
}

/**
 * Reads the events that are there, and after that those that come, until `signal` aborts. The VMM's user may put into
 * its place what it likes; no link is followed. Resolves when the first are taken.
 */
export async function followEvents(
  path: string,
  take: (event: ChEvent) => void,
  options: { readonly signal: AbortSignal },
): Promise<EventFollower> {
  const parser = new EventParser();
  const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!(await file.stat()).isFile()) {
    await file.close();
    throw new Error(`${path}: is no regular file`);
  }
  let offset = 0;
  const readOn = async () => {
    offset = await readFrom(file, offset, (text) => parser.push(text).forEach(take));
    if (offset > MOST_FILE_BYTES) {
      await file.truncate(0);
    }
  };
  let turn = Promise.resolve();
  const inTurn = () => {
    turn = turn.then(() => (options.signal.aborted ? undefined : readOn())).catch(() => {});
    return turn;
  };
  // Begun before the first look: nothing comes in between unseen.
  const watcher = watch(path, { persistent: false }, () => void inTurn());
  watcher.on("error", () => {});
  const stop = () => {
    watcher.close();
    turn = turn.then(() => file.close());
  };
  options.signal.addEventListener("abort", stop, { once: true });
  await inTurn();
  if (options.signal.aborted) {
    stop();
  }
  return { catchUp: inTurn };
}

/** Hands over what is behind `offset`, and says where it ended. */
async function readFrom(file: FileHandle, offset: number, take: (text: string) => void): Promise<number> {
  const { size } = await file.stat();
  // Emptied, and written from its start again.
  let at = size < offset ? 0 : offset;
  const buffer = Buffer.alloc(16 * 1024);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) {
      return at;
    }
    at += bytesRead;
    take(buffer.toString("latin1", 0, bytesRead));
  }
}
