/** The key that leaves a terminal. It is taken out of what is typed; all else goes on. */
import { CliError } from "../cli-error.ts";

/** As telnet's: Ctrl and the bracket, which programs rarely use. */
export const defaultDetachKey = "ctrl-]";

/** The byte of a key such as "ctrl-]" or "ctrl-a"; undefined for "none". */
export function readDetachKey(text: string): number | undefined {
  if (text === "none") return undefined;
  const [, key] = /^ctrl-([a-z@[\\\]^_])$/i.exec(text) ?? [];
  if (key === undefined)
    throw new CliError(`"${text}" is no detach key.`, "Write ctrl- and a letter or one of @[\\]^_, or none.");
  return key.toUpperCase().charCodeAt(0) & 0x1f;
}

/** What was typed before the key, and whether it was typed. */
export function splitAtKey(typed: Uint8Array, key: number | undefined): { typed: Uint8Array; left: boolean } {
  const at = key === undefined ? -1 : typed.indexOf(key);
  return at < 0 ? { typed, left: false } : { typed: typed.subarray(0, at), left: true };
}
