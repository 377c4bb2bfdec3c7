import { appendFile, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type ChEvent, EventParser, followEvents } from "./events.ts";

const text = (event: string, properties: object | null = null) =>
  `${JSON.stringify({ timestamp: { secs: 0, nanos: 123 }, source: "vm", event, properties }, undefined, 2)}\n\n`;
const names = (events: readonly ChEvent[]) => events.map(({ event }) => event);

async function file(content: string) {
  const folder = await mkdtemp("/tmp/dnah-events-");
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "events");
  await writeFile(path, content);
  return path;
}

function following(path: string) {
  const seen: ChEvent[] = [];
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  return { seen, abort, ready: followEvents(path, (event) => seen.push(event), { signal: abort.signal }) };
}

test("an event ends at a blank line, wherever it is cut", () => {
  const whole = text("booted") + text("device-removed", { id: "disk-x", bdf: "0000:00:06.0" });
  for (let cut = 0; cut < whole.length; cut += 7) {
    const parser = new EventParser();
    const events = [...parser.push(whole.slice(0, cut)), ...parser.push(whole.slice(cut))];
    expect(names(events)).toEqual(["booted", "device-removed"]);
    expect(events[1]?.properties).toEqual({ id: "disk-x", bdf: "0000:00:06.0" });
  }
});

test("what is torn or no event is passed over, and grows no buffer", () => {
  const parser = new EventParser();
  expect(names(parser.push(`{ "source": \n\n"x"\n\n[]\n\n${text("paused")}`))).toEqual(["paused"]);
  parser.push("x".repeat(100_000));
  expect(names(parser.push(`\n\n${text("resumed")}`))).toEqual(["resumed"]);
});

test("follows a file from its start, through all that is appended", async () => {
  const path = await file(text("booting"));
  const { seen, ready } = following(path);
  await ready;
  expect(names(seen)).toEqual(["booting"]);
  await appendFile(path, text("booted").slice(0, 20));
  await appendFile(path, text("booted").slice(20));
  await expect.poll(() => names(seen)).toEqual(["booting", "booted"]);
});

test("goes on after the file was emptied, whether the writer goes on at its old place or at the start", async () => {
  const path = await file(text("booting"));
  const { seen, ready } = following(path);
  const { catchUp } = await ready;
  await truncate(path, 0);
  await catchUp();
  await appendFile(path, text("paused"));
  await expect.poll(() => names(seen)).toEqual(["booting", "paused"]);
  await truncate(path, 0);
  await truncate(path, 5000);
  await appendFile(path, text("resumed"));
  await expect.poll(() => names(seen)).toEqual(["booting", "paused", "resumed"]);
});

test("takes nothing any more once it is let go", async () => {
  const path = await file("");
  const { seen, abort, ready } = following(path);
  const { catchUp } = await ready;
  abort.abort();
  await appendFile(path, text("paused"));
  await catchUp();
  expect(seen).toEqual([]);
});

test("follows no link, and reads nothing that is no file", async () => {
  const path = await file("");
  await symlink(path, `${path}-link`);
  await expect(following(`${path}-link`).ready).rejects.toThrow(/ELOOP/);
  await expect(following("/dev/null").ready).rejects.toThrow(/no regular file/);
});
