/** Writing to stdout and stderr: with back-pressure, and without a stack when nobody reads. */
import { once } from "node:events";
import { exitCodes } from "./exit-codes.ts";

/** Waits while the reader is slow. A reader that went away is dealt with below. */
export async function write(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<void> {
  if (data.length === 0 || stream.write(data)) return;
  try {
    await once(stream, "drain");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}

export const print = (text: string): Promise<void> => write(process.stdout, text);

/** One JSON document, or one line of many. */
export const printJson = (value: unknown): Promise<void> => print(`${JSON.stringify(value)}\n`);

/** For people, beside the output. */
export const note = (text: string): Promise<void> => write(process.stderr, `${text}\n`);

/** Columns as wide as their widest cell, the last one as it is. Nothing but the head where there is no row. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ");
  return `${all.map(line).join("\n")}\n`;
}

/** When the reader of our output goes away, we end, as other programs do. `onBroken` may tidy up first. */
export function endOnBrokenPipe(onBroken: () => boolean): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exitCode = exitCodes.brokenPipe;
    if (!onBroken()) process.exit();
  });
  process.stderr.on("error", () => undefined);
}
