import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export function sha256Of(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** A cache key: the same for the same parts, whatever the order of an object's fields. */
export function keyOf(parts: Readonly<Record<string, unknown>>): string {
  return sha256Of(canonicalJson(parts)).slice(0, 32);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    v !== null && typeof v === "object" && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}

/** The digest of some of this folder's sources: a changed recipe must not find what the old one made. */
export async function digestOfSources(names: readonly string[]): Promise<string> {
  const texts = await Promise.all([...names].sort().map((name) => readFile(join(import.meta.dirname, name), "utf8")));
  return sha256Of(texts.map((text, i) => `${names[i]}\0${text}`).join("\0"));
}
