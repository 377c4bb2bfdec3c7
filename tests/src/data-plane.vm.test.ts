/** The data plane in a real sandbox, as a generated client sees it: through the control plane, one sandbox for all. */
import { setTimeout as sleep } from "node:timers/promises";
import { FileChangeKind, FileType } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { type LogEntry, LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { OutputStream } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Api } from "./testing/api.ts";
import { type OwnSandbox, ownSandbox } from "./testing/own-sandbox.ts";
import { keyboardOf, screenOf } from "./testing/terminal.ts";

let sandbox: OwnSandbox;
let api: Api;
let here: OwnSandbox["here"];
let run: OwnSandbox["run"];

beforeAll(async () => {
  sandbox = await ownSandbox();
  ({ api, here, run } = sandbox);
});
afterAll(() => sandbox?.[Symbol.asyncDispose]());

describe("a terminal", () => {
  test("has a size that changes, takes keys, ends with its shell, and can be watched by many", async () => {
    const keyboard = keyboardOf(api, sandbox.id, "tty");
    const command = { case: "argv" as const, value: { args: ["bash", "--norc", "-i"] } };
    const request = { command, processId: "tty", pty: { columns: 80, rows: 24 }, env: { PS1: "$ " } };
    await using first = screenOf((signal) => api.processes.exec(request, here(signal)));
    await first.see(/\$ /);
    await keyboard.type("stty size\n");
    await first.see(/24 80\r\n/);

    const attach = { process: keyboard.process };
    await using second = screenOf((signal) => api.processes.attachProcess(attach, here(signal)));
    await second.see(/24 80\r\n/); // what was there before it came

    await api.processes.resizePty({ process: keyboard.process, size: { columns: 120, rows: 50 } }, here());
    await keyboard.type("stty size\n");
    await Promise.all([first.see(/50 120\r\n/), second.see(/50 120\r\n/)]);
    const { processes } = await api.processes.listProcesses({}, here());
    expect(processes.find(({ processId }) => processId === "tty")?.pty).toMatchObject({ columns: 120, rows: 50 });

    await keyboard.type("sleep 1000\n");
    await first.see(/sleep 1000\r\n/);
    await expect.poll(async () => (await run("pgrep -x sleep | wc -l")).output).toBe("1\n");
    await keyboard.type("\u0003"); // Ctrl-C, to what runs in the foreground
    await first.see(/\$ /);
    await keyboard.type("echo code $?\n");
    await first.see(/code 130\r\n/);

    await keyboard.type("exit 7\n");
    expect([await first.exitCode(), await second.exitCode()]).toEqual([7, 7]);
  });

  test("marks its output, and starts detached", async () => {
    const command = { case: "shell" as const, value: { line: "tty; sleep 0.2" } };
    const cases: (string | undefined)[] = [];
    const request = { command, processId: "detached", pty: {}, detach: true };
    for await (const { event } of api.processes.exec(request, here())) cases.push(event.case);
    expect(cases).toEqual(["started"]);
    const process = { selector: { case: "processId" as const, value: "detached" } };
    let text = "";
    for await (const { event } of api.processes.attachProcess({ process }, here())) {
      if (event.case !== "output") continue;
      expect(event.value.stream).toBe(OutputStream.PTY);
      text += Buffer.from(event.value.data).toString();
    }
    expect(text).toMatch(/^\/dev\/pts\/\d+\r\n$/);
  });
});

test("the environment of later processes can be changed", async () => {
  await api.processes.setEnvironment({ set: { COLOUR: "green", SHAPE: "round" } }, here());
  await api.processes.setEnvironment({ unset: ["SHAPE"] }, here());
  expect((await api.processes.getEnvironment({}, here())).env).toMatchObject({ COLOUR: "green" });
  expect((await run('echo "$COLOUR:$SHAPE"')).output).toBe("green:\n");
});

describe("files", () => {
  const text = (data: string) => new TextEncoder().encode(data);
  const write = (path: string, data: string) => api.files.writeFile({ path, data: text(data) }, here());

  test("can be made, listed, moved, changed and removed", async () => {
    await api.files.makeDirectory({ path: "tree/deep", mode: 0o700 }, here());
    await write("tree/deep/a.txt", "alpha");
    await write("tree/b.txt", "beta");
    await run("ln -s b.txt tree/link");
    const listed: [string, FileType][] = [];
    for await (const { files } of api.files.listDirectory({ path: "tree", depth: 3 }, here())) {
      listed.push(...files.map(({ path, type }): [string, FileType] => [path.replace("/home/user/tree/", ""), type]));
    }
    expect(listed).toEqual([
      ["b.txt", FileType.FILE],
      ["deep", FileType.DIRECTORY],
      ["deep/a.txt", FileType.FILE],
      ["link", FileType.SYMLINK],
    ]);

    const moved = await api.files.moveFile({ source: "tree/b.txt", destination: "tree/new/c.txt" }, here());
    expect(moved.info?.path).toBe("/home/user/tree/new/c.txt");
    const xattrs = { note: text("kept") };
    const changed = await api.files.setAttributes({ path: "tree/new/c.txt", mode: 0o600, xattrs }, here());
    expect(changed.info?.mode).toBe(0o600);
    const withXattrs = { path: "tree/new", includeXattrs: true };
    for await (const { files } of api.files.listDirectory(withXattrs, here())) {
      expect(Buffer.from(files[0]?.xattrs.note as Uint8Array).toString()).toBe("kept");
    }
    await api.files.removeFile({ path: "tree", recursive: true }, here());
    expect((await run("ls tree 2>&1 | grep -c 'No such'")).output).toBe("1\n");
    await api.files.removeFile({ path: "tree", missingOk: true }, here());
  });

  test("that change are told as it happens, and to who asks from time to time", async () => {
    await run("mkdir -p watched/sub");
    const { watchId } = await api.files.createFileWatch({ path: "watched", recursive: true }, here());
    const leave = new AbortController();
    const told: [FileChangeKind, string][] = [];
    const watching = (async () => {
      const request = { path: "watched", recursive: true };
      for await (const { event } of api.files.watchFiles(request, here(leave.signal))) {
        if (event.case === "change") told.push([event.value.kind, event.value.path]);
      }
    })();
    const paths = (kind: FileChangeKind) => told.filter((one) => one[0] === kind).map((one) => one[1]);
    await expect.poll(() => paths(FileChangeKind.READY)).toEqual([""]);
    await run("cd watched && echo x > sub/f && mkdir later && sleep 0.3 && echo y > later/g && rm sub/f");
    await expect
      .poll(() => paths(FileChangeKind.CREATED))
      .toEqual(expect.arrayContaining(["sub/f", "later", "later/g"]));
    await expect.poll(() => paths(FileChangeKind.REMOVED)).toEqual(["sub/f"]);
    leave.abort();
    await watching.catch(() => undefined);

    const { changes, nextCursor } = await api.files.readFileWatch({ watchId }, here());
    expect(changes.map(({ kind, path }) => [kind, path])).toContainEqual([FileChangeKind.REMOVED, "sub/f"]);
    expect((await api.files.readFileWatch({ watchId, cursor: nextCursor }, here())).changes).toEqual([]);
    await api.files.deleteFileWatch({ watchId }, here());
  });

  test("are found by name and content, and changed all at once", async () => {
    await run(
      "mkdir -p src/skip && echo 'let one = 1;' > src/a.ts && echo 'let two = one;' > src/b.ts && cp src/a.ts src/skip/",
    );
    const search = async (request: object) => {
      const found: string[] = [];
      const more = { path: "src", excludeGlobs: ["skip"], ...request };
      for await (const { files, matches } of api.files.searchFiles(more, here())) {
        found.push(
          ...files.map(({ name }) => name),
          ...matches.map(({ path, line, column }) => `${path.slice(-4)}:${line}:${column}`),
        );
      }
      return found.sort();
    };
    expect(await search({ nameGlob: "*.ts" })).toEqual(["a.ts", "b.ts"]);
    expect(await search({ content: "ONE", ignoreCase: true })).toEqual(["a.ts:1:5", "b.ts:1:11"]);
    const paths = ["src/a.ts", "src/b.ts", "src/none.ts"];
    const { files } = await api.files.replaceInFiles(
      { paths, pattern: "(o)ne", replacement: "$" + "{1}tto", regex: true },
      here(),
    );
    expect(files.map(({ replacements, failureReason }) => [Number(replacements), failureReason])).toEqual([
      [1, ""],
      [1, ""],
      [0, "FILE_NOT_FOUND"],
    ]);
    expect((await run("cat src/a.ts src/b.ts")).output).toBe("let otto = 1;\nlet two = otto;\n");
  });
});

test("ports are seen as programs open and close them, also those of the loopback alone", async () => {
  const leave = new AbortController();
  let now: string[] = [];
  const watching = (async () => {
    for await (const { event } of api.ports.watchPorts({}, here(leave.signal))) {
      if (event.case === "ports") now = event.value.ports.map(({ port, address }) => `${port} ${address}`);
    }
  })();
  const program = `import socket, time
kept = [socket.create_server(("127.0.0.1", 4101)), socket.create_server(("::1", 4102), family=socket.AF_INET6)]
time.sleep(1000)`;
  await api.files.writeFile({ path: "listen.py", data: new TextEncoder().encode(program) }, here());
  const pid = (await run("setsid python3 listen.py >/dev/null 2>&1 </dev/null & echo $!")).output.trim();
  await expect.poll(() => now).toEqual(expect.arrayContaining(["4101 127.0.0.1", "4102 ::1"]));
  const { ports } = await api.ports.listPorts({}, here());
  expect(ports.find(({ port }) => port === 4101)).toMatchObject({ pid: Number(pid), command: "python3" });
  await run(`kill ${pid}`);
  await expect.poll(() => now.filter((one) => one.startsWith("410"))).toEqual([]);
  leave.abort();
  await watching.catch(() => undefined);
});

test("metrics tell what the sandbox uses", async () => {
  const { now, interval } = await api.monitoring.getMetrics({}, here());
  expect(now?.cpuCount).toBeGreaterThan(0);
  expect(now?.memoryTotalBytes).toBeGreaterThan(now?.memoryUsedBytes as bigint);
  expect(now?.memoryUsedBytes).toBeGreaterThan(0n);
  expect(now?.diskTotalBytes).toBeGreaterThan(now?.diskUsedBytes as bigint);
  expect(now?.cpuUsedPercent).toBeGreaterThan(0);
  expect(interval?.seconds).toBe(15n);
});

test("logs of console, agent and processes come in one stream, also of processes that start later", async () => {
  await run("echo before; echo told | sudo -n tee /dev/console >/dev/null || true");
  const leave = new AbortController();
  const entries: LogEntry[] = [];
  const reading = (async () => {
    for await (const { event } of api.monitoring.readLogs({ follow: true }, here(leave.signal))) {
      if (event.case === "entry") entries.push(event.value);
    }
  })();
  const textsOf = (source: LogSource) => entries.filter((entry) => entry.source === source).map(({ text }) => text);
  await expect.poll(() => textsOf(LogSource.PROCESS)).toContain("before");
  await sleep(200); // between backlog and follow: neither may lose the next
  await run("echo after; echo trouble >&2");
  await expect.poll(() => textsOf(LogSource.PROCESS)).toEqual(expect.arrayContaining(["after", "trouble"]));
  expect(textsOf(LogSource.AGENT).length).toBeGreaterThan(0);
  leave.abort();
  await reading.catch(() => undefined);
  const last: LogEntry[] = [];
  const tail = { sources: [LogSource.PROCESS], tail: 2 };
  for await (const { event } of api.monitoring.readLogs(tail, here())) {
    if (event.case === "entry") last.push(event.value);
  }
  expect(last.map(({ text, label }) => `${label} ${text}`).sort()).toEqual(["stderr trouble", "stdout after"]);
});
