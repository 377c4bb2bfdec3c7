import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectOwned } from "./connect-owned.ts";

const uid = process.getuid?.() ?? 0;
const server = createServer((socket) => socket.end("hello"));
let dir: string;
let path: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "dnah-connect-"));
  path = join(dir, "socket");
  await once(server.listen(path), "listening");
});
afterAll(async () => {
  server.close();
  await rm(dir, { recursive: true });
});

test("connects to a socket of the user", async () => {
  const [data] = await once(connectOwned(path, uid), "data");
  expect(String(data)).toBe("hello");
});

test("follows no link, even to a socket of the user", async () => {
  await symlink(path, join(dir, "link"));
  expect(() => connectOwned(join(dir, "link"), uid)).toThrow(/not a socket of uid/);
});

test("refuses another user's socket, and what is no socket", async () => {
  expect(() => connectOwned(path, uid + 1)).toThrow(/not a socket of uid/);
  await writeFile(join(dir, "file"), "");
  expect(() => connectOwned(join(dir, "file"), uid)).toThrow(/not a socket of uid/);
});

test("says that nothing is there as a connect would", () => {
  expect(() => connectOwned(join(dir, "absent"), uid)).toThrow(/ENOENT/);
});
