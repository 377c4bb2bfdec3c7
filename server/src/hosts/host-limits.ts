/** How much of what a host says is believed: one that was broken into must not fill our memory or our tables. */

/** Of one answer. A list of 30,000 VMs fits; decoding what is made to be slow takes seconds for each MiB. */
export const maxAnswerBytes = 2 * 1024 * 1024;

/** VMs that a host may have, in the list that it streams. */
export const maxVms = 30_000;

const maxUrlLength = 512;
const maxWordsLength = 1_000;

/** The origin, which goes into answers about each of its sandboxes; empty for what is none. */
export function edgeUrlOf(said: string): string {
  if (said.length > maxUrlLength || !URL.canParse(said)) return "";
  const { protocol, origin, href } = new URL(said);
  return (protocol === "http:" || protocol === "https:") && href === `${origin}/` ? origin : "";
}

/** For people and rows: a row's text takes no NUL. */
export function wordsOf(said: string): string {
  return said.slice(0, maxWordsLength).replaceAll("\0", "");
}
