/** What clients write in their sandboxes: a line in a file, flushed to the disk, and read back with all that is there. */
import { type Api, shell } from "../api.ts";

export interface Seen {
  /** Of the running kernel: another one where the memory was lost. */
  readonly bootId: string;
  readonly lines: readonly string[];
}

const file = "/home/user/lines";
/** What a guest answers in, under emulation, beside everything else. */
const execMs = 20_000;

/** A program that never rests, so that a VM that is alive is seen to be: it writes, and is in the memory alone. */
const beat =
  "[ -e /dev/shm/beat ] || { touch /dev/shm/beat; setsid bash -c " +
  "'exec 3<> <(:); while :; do read -t 0.2 -u 3; echo $((++n)) >/home/user/beat; done' >/dev/null 2>&1 </dev/null & }";

/** Undefined where the guest's disk took no more: its host's was full. */
export async function writeLine(api: Api, id: string, text: string): Promise<Seen | undefined> {
  const { output, exitCode } = await shell(
    api,
    id,
    `${beat}; echo ${text} >>${file} && sync && cat /proc/sys/kernel/random/boot_id ${file}`,
    AbortSignal.timeout(execMs),
  );
  return exitCode === 0 ? seenIn(output) : undefined;
}

export async function readLines(api: Api, id: string): Promise<Seen> {
  const { output } = await shell(
    api,
    id,
    `cat /proc/sys/kernel/random/boot_id; cat ${file} 2>/dev/null`,
    AbortSignal.timeout(execMs),
  );
  return seenIn(output);
}

function seenIn(output: string): Seen {
  // Zeros: of an append that was not flushed when its VM ended, ext4 may keep the length without the bytes.
  const told = output.replaceAll("\0", "");
  const [bootId = "", ...lines] = told.split("\n").filter((line) => line !== "");
  return { bootId, lines };
}
