/** The whole data plane against a real platform with a real microVM, through the control plane and straight to the host. */
import { readFileSync } from "node:fs";
import net from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client, type ListeningPort, type Pty, Sandbox } from "./index.ts";
import { cuttingProxy } from "./testing/cutting-proxy.ts";

const ways = ["never", "always"] as const;

let url: string;
let apiKey: string;
let created: Sandbox;
/** The same sandbox, by each way. */
const sandboxes = new Map<(typeof ways)[number], Sandbox>();

beforeAll(async () => {
  const { DNAH_TEST_URL, DNAH_TEST_API_KEY_FILE } = process.env;
  if (!DNAH_TEST_URL || !DNAH_TEST_API_KEY_FILE) {
    throw new Error(
      "DNAH_TEST_URL and DNAH_TEST_API_KEY_FILE are not set: run this by `npm test`, which starts a platform.",
    );
  }
  url = DNAH_TEST_URL;
  apiKey = readFileSync(DNAH_TEST_API_KEY_FILE, "utf8").trim();
  created = await Sandbox.create({ client: new Client({ url, apiKey }), metadata: { test: "data-plane" } });
  const { id, accessToken, directUrl } = created;
  for (const direct of ways) {
    const client = new Client({ url, apiKey, direct });
    sandboxes.set(direct, await Sandbox.connect(id, { client, accessToken, directUrl }));
  }
});

afterAll(async () => {
  await created?.kill();
});

async function readUntil(pty: Pty, wanted: string): Promise<string> {
  let seen = "";
  for await (const bytes of pty) {
    seen += Buffer.from(bytes).toString();
    if (seen.includes(wanted)) return seen;
  }
  return expect.fail(`the terminal ended after ${JSON.stringify(seen)}`);
}

/** A server on 127.0.0.1 of the sandbox that answers, once its client has ended, with how much came. */
const answerAtEnd = `
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"got %d" % len(self.rfile.read()))
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", 7000), Handler).serve_forever()`;

async function withPort(sandbox: Sandbox, port: number): Promise<ListeningPort> {
  for await (const ports of sandbox.ports.watch()) {
    const found = ports.find((candidate) => candidate.port === port);
    if (found) return found;
  }
  return expect.fail("the watch of ports ended");
}

describe.each([
  { name: "through the control plane", direct: "never" },
  { name: "straight to the host", direct: "always" },
] as const)("$name", ({ direct }) => {
  const sandbox = () => sandboxes.get(direct) as Sandbox;

  test("a terminal runs a login shell, takes keys and a new size, is let go of and taken up again", async () => {
    const pty = await sandbox().pty({ columns: 90, rows: 20, tag: `shell-${direct}` });
    await pty.write("tty && stty size\n");
    expect(await readUntil(pty, "20 90")).toMatch(/\/dev\/pts\/\d+/);
    await pty.resize({ columns: 132, rows: 50 });
    await pty.write("sh -c 'echo rea\"\"dy; exec sleep 600'\n");
    await readUntil(pty, "ready\r\n");
    await pty.write("\x03");
    await pty.write("stty size; echo $TERM\n");
    await readUntil(pty, "50 132\r\nxterm-256color");
    const again = await sandbox().attachPty({ tag: `shell-${direct}` }, { fromOffset: pty.offset });
    expect(again.pid).toBe(pty.pid);
    await again.write("exit 5\n");
    expect(await again.exited).toMatchObject({ exitCode: 5, signal: undefined });
    expect(await pty.exited).toMatchObject({ exitCode: 5 });
  });

  test("a program that was started on its own is attached to by pid and tag, and signalled", async () => {
    const { id, pid } = await sandbox().start("echo up; exec sleep 600", { tag: `server-${direct}` });
    for await (const { text } of sandbox().attach({ tag: `server-${direct}` })) {
      expect(text).toBe("up\n");
      break;
    }
    expect(await sandbox().processes()).toContainEqual(expect.objectContaining({ id, pid, tag: `server-${direct}` }));
    await sandbox().signal({ pid }, "SIGINT");
    expect(await sandbox().attach(id, { fromOffset: 3 })).toMatchObject({ signal: "SIGINT", stdout: "" });
  });

  test("the environment of later processes is changed", async () => {
    await sandbox().setEnvironment({ set: { WAY: direct, OLD: "1" } });
    expect(await sandbox().setEnvironment({ unset: ["OLD"] })).toMatchObject({ WAY: direct });
    expect((await sandbox().exec("echo $WAY$OLD")).stdout).toBe(`${direct}\n`);
  });

  test("files are listed, moved, found, searched, changed and removed", async () => {
    const { files } = sandbox();
    const root = `/home/user/tree-${direct}`; // root's home is another
    await files.mkdir(`${root}/src/deep`, { mode: 0o750 });
    await files.write(`${root}/src/a.py`, "import os\nprint('one')\n");
    await files.write(`${root}/src/deep/b.py`, "print('two')\n");
    await files.move(`${root}/src/deep/b.py`, `${root}/lib/b.py`);
    const listed = await Array.fromAsync(files.list(root, { depth: 3 }), ({ path }) => path.slice(root.length + 1));
    expect(listed).toEqual(["lib", "lib/b.py", "src", "src/a.py", "src/deep"]);
    const found = await Array.fromAsync(files.find(root, { name: "*.PY", ignoreCase: true }), ({ name }) => name);
    expect(found.sort()).toEqual(["a.py", "b.py"]);
    const matches = await Array.fromAsync(files.search(root, "print\\('\\w+'\\)", { regex: true }));
    expect(matches.map(({ line, text }) => `${line} ${text}`).sort()).toEqual(["1 print('two')", "2 print('one')"]);
    expect(await files.replace([`${root}/src/a.py`, `${root}/nope`], "one", "1")).toMatchObject([
      { replacements: 1, failure: undefined },
      { replacements: 0, failure: { reason: "FILE_NOT_FOUND" } },
    ]);
    const modifyTime = new Date("2026-01-02T03:04:05Z");
    const attributes = { mode: 0o711, modifyTime, xattrs: { color: "blue" } };
    expect(await files.setAttributes(`${root}/src/a.py`, attributes)).toMatchObject({ mode: 0o711, modifyTime });
    const [entry] = await Array.fromAsync(files.list(`${root}/src`, { xattrs: true }));
    expect(Buffer.from(entry?.xattrs.color ?? []).toString()).toBe("blue");
    await files.setAttributes(`${root}/src`, { owner: "root" }, { user: "root", recursive: true });
    expect(await files.stat(`${root}/src/a.py`)).toMatchObject({ owner: "root", uid: 0 });
    await files.remove(root, { recursive: true, user: "root" });
    expect(await files.exists(root)).toBe(false);
  });

  test("changes below a folder are told, by a stream and on asking", async () => {
    const { files } = sandbox();
    const root = `watched-${direct}`;
    await files.mkdir(root);
    await using asked = await files.createWatch(root, { recursive: true });
    const changes = files.watch(root, { recursive: true });
    expect((await changes.next()).value).toMatchObject({ kind: "ready" });
    await sandbox().exec(`mkdir -p ${root}/new && echo x > ${root}/new/file && rm ${root}/new/file`, { check: true });
    const seen: string[] = [];
    for await (const { kind, path } of changes) {
      seen.push(`${kind} ${path}`);
      if (kind === "removed") break;
    }
    expect(seen).toContain("created new");
    expect(seen).toContain("created new/file");
    expect(seen.at(-1)).toBe("removed new/file");
    const told = await asked.read();
    expect(told.map(({ kind, path }) => `${kind} ${path}`)).toContain("removed new/file");
    await files.remove(root, { recursive: true });
  });

  test("a port of 127.0.0.1 is found, connected to and forwarded, each direction ending on its own", async () => {
    const { id } = await sandbox().start(["python3", "-c", answerAtEnd]);
    expect(await withPort(sandbox(), 7000)).toMatchObject({ address: "127.0.0.1" });
    const connection = await sandbox().ports.connect(7000);
    connection.end(Buffer.alloc(3_000_000));
    expect(String(await buffer(connection))).toBe("got 3000000");
    await using forward = await sandbox().ports.forward(7000);
    const answers = Array.from({ length: 5 }, (_, index) => {
      const socket = net.connect({ port: forward.localPort, host: forward.localHost, allowHalfOpen: true });
      socket.end("x".repeat(index));
      return buffer(socket);
    });
    expect((await Promise.all(answers)).map(String)).toEqual(["got 0", "got 1", "got 2", "got 3", "got 4"]);
    await sandbox().signal(id, "SIGKILL");
    await expect(sandbox().ports.connect(7001)).rejects.toMatchObject({ reason: "PORT_CLOSED" });
  });

  test("metrics and logs", async () => {
    const { now, intervalMs } = await sandbox().metrics();
    expect(now.cpuCount).toBeGreaterThan(0);
    expect(now.memoryUsedBytes).toBeGreaterThan(0);
    expect(now.memoryUsedBytes).toBeLessThan(now.memoryTotalBytes);
    expect(now.diskUsedBytes).toBeGreaterThan(0);
    expect(intervalMs).toBeGreaterThan(0);
    await sandbox().exec(`echo console of ${direct} > /dev/console`, { user: "root", check: true });
    const lines = await Array.fromAsync(sandbox().logs({ sources: ["console"], tail: 3 }), ({ text }) => text);
    expect(lines).toContain(`console of ${direct}`);
    await sandbox().exec(`echo line of ${direct}`);
    for await (const { text, label } of sandbox().logs({ sources: ["process"], follow: true })) {
      if (text !== `line of ${direct}`) continue;
      expect(label).toBe("stdout");
      break;
    }
  });

  test("connections that break lose nothing and double nothing", async () => {
    const target = direct === "never" ? url : (created.directUrl as string);
    await using proxy = await cuttingProxy(target);
    const { id, accessToken } = created;
    const options = direct === "never" ? { url: proxy.url } : { url, direct };
    const client = new Client({ ...options, apiKey, retryDelayMs: 20 });
    const broken = await Sandbox.connect(id, { client, accessToken, directUrl: direct === "never" ? "" : proxy.url });

    const counting = broken.exec("for i in $(seq 300); do echo $i; [ $((i % 50)) = 0 ] && sleep 0.2; done");
    let lines = "";
    for await (const { text } of counting) {
      lines += text;
      if (/[05]0\n$/.test(text)) proxy.cut();
    }
    expect(lines).toBe(Array.from({ length: 300 }, (_, index) => `${index + 1}\n`).join(""));
    expect(await counting).toMatchObject({ exitCode: 0, lostBytes: 0 });

    const pty = await broken.pty({ command: ["cat"] });
    for (const key of "abc") {
      proxy.cut();
      await pty.write(key);
    }
    await pty.write("\n\x04");
    expect(Buffer.concat(await Array.fromAsync(pty)).toString()).toBe("abc\r\nabc\r\n");

    const data = Uint8Array.from({ length: 12_000_000 }, (_, at) => (at * 31 + (at >> 8)) & 255);
    const cuts = setInterval(() => proxy.cut(), 300);
    await broken.files.write(`cut-${direct}`, data);
    clearInterval(cuts);
    proxy.cutAfter(5_000_000);
    expect(Buffer.compare(await broken.files.read(`cut-${direct}`), data)).toBe(0);
  });

  test("a file's signed address lets a stranger read it, or write it, and nothing else", async () => {
    const { files } = sandbox();
    const path = `signed-${direct}.txt`;
    await files.write(path, "signed");
    const read = await files.url(path);
    const write = await files.url(path, { operation: "write", ttlMs: 60_000 });
    const pick = (urls: typeof read) => (direct === "never" ? urls.url : (urls.directUrl as string));
    expect(await (await fetch(pick(read))).text()).toBe("signed");
    expect((await fetch(pick(read), { method: "PUT", body: "x" })).status).toBeGreaterThanOrEqual(400);
    expect((await fetch(pick(write), { method: "PUT", body: "by a stranger" })).status).toBe(200);
    expect(await files.readText(path)).toBe("by a stranger");
  });
});

test("labels, addresses of ports and a new access token", async () => {
  const info = await created.update({ setMetadata: { color: "blue" }, removeMetadata: ["test"] });
  expect(info.metadata).toEqual({ color: "blue" });
  const { url, token, expireTime } = await created.ports.url(8080, { ttlMs: 60_000 });
  expect(url).toContain(`8080-${created.id}`);
  expect(token).not.toBe("");
  expect(expireTime.getTime()).toBeGreaterThan(Date.now());
  expect((await created.ports.setPublic(8080, true)).publicPorts).toEqual([8080]);
  const old = sandboxes.get("always") as Sandbox;
  await created.rotateAccessToken();
  await expect(old.files.exists("x")).rejects.toMatchObject({ reason: "CREDENTIAL_INVALID" });
  expect(await created.files.exists("x")).toBe(false);
});
