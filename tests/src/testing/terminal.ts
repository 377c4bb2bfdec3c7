/** A program on a terminal of a sandbox, as someone sees it who looks at the screen and types. */
import { expect } from "vitest";
import { type Api, type ExecEvent, inSandbox } from "./api.ts";

export interface Screen extends AsyncDisposable {
  /** All that came so far. */
  readonly text: () => string;
  /** Waits until this has been shown, after what the last `see` saw. */
  see(pattern: RegExp): Promise<RegExpExecArray>;
  /** Waits for the end of the program. */
  exitCode(): Promise<number>;
}

/** Shows what comes of a stream of Exec or AttachProcess. Disposal stops looking; the program runs on. */
export function screenOf(stream: (signal: AbortSignal) => AsyncIterable<{ readonly event: ExecEvent }>): Screen {
  const leave = new AbortController();
  const decoder = new TextDecoder();
  let text = "";
  let seen = 0;
  let code: number | undefined;
  const reading = (async () => {
    for await (const { event } of stream(leave.signal)) {
      if (event.case === "output") text += decoder.decode(event.value.data, { stream: true });
      if (event.case === "exited") code = event.value.exitCode;
    }
  })();
  reading.catch(() => undefined); // told by whoever waits
  return {
    text: () => text,
    async see(pattern) {
      const found = () => pattern.exec(text.slice(seen));
      await expect.poll(found, { message: `${pattern} in ${JSON.stringify(text.slice(seen))}` }).not.toBeNull();
      const match = found() as RegExpExecArray;
      seen += match.index + match[0].length;
      return match;
    },
    async exitCode() {
      await reading;
      if (code === undefined) throw new Error("the stream ended without `exited`");
      return code;
    },
    async [Symbol.asyncDispose]() {
      leave.abort();
      await reading.catch(() => undefined);
    },
  };
}

/** Types into a program, which has read all that came before. */
export function keyboardOf(api: Api, sandboxId: string, processId: string) {
  const process = { selector: { case: "processId" as const, value: processId } };
  let offset = 0n;
  return {
    process,
    async type(keys: string) {
      const data = new TextEncoder().encode(keys);
      ({ nextOffset: offset } = await api.processes.sendInput({ process, offset, data }, inSandbox(sandboxId)));
    },
  };
}
