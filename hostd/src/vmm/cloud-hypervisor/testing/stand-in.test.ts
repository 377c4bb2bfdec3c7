/** What the stand-in does as Cloud Hypervisor would: the list of docs/cloud-hypervisor.md. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ChApi } from "../api-client.ts";
import { snapshotFilesOf } from "../snapshot-files.ts";
import { openConnections, rawExchange } from "./raw-http.ts";
import { type RunningStandIn, type StandIns, stageStandIns } from "./run-stand-in.ts";

const uid = process.getuid?.() ?? 0;
const options = () => ({ signal: AbortSignal.timeout(10_000) });

describe("the stand-in", () => {
  let standIns: StandIns;
  beforeAll(async () => {
    standIns = await stageStandIns();
  });
  afterAll(async () => await standIns?.[Symbol.asyncDispose]());

  const start = async (paths?: RunningStandIn["paths"]) => {
    const standIn = await standIns.start(paths);
    const api = new ChApi(standIn.paths.api, uid);
    onTestFinished(() => {
      api.close();
      standIn.process.kill("SIGKILL");
    });
    return { ...standIn, api };
  };
  const booted = async (...change: Parameters<RunningStandIn["config"]>) => {
    const one = await start();
    await one.api.send("vm.create", one.config(...change), options());
    await one.api.put("vm.boot", options());
    return one;
  };
  const put = (endpoint: string, body?: unknown, method = "PUT") => {
    const text = body === undefined ? "" : JSON.stringify(body);
    return `${method} /api/v1/${endpoint} HTTP/1.1\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
  };

  test("answers in these bytes", async () => {
    const { paths } = await start();
    const ask = (text: string) => rawExchange(paths.api, text, /\r\n\r\n.*$/s);
    const server = "Server: Cloud Hypervisor API\r\nConnection: keep-alive\r\n";
    expect(await ask(put("vm.delete"))).toBe(`HTTP/1.1 204 \r\n${server}\r\n`);
    expect(await ask(put("vmm.ping", undefined, "GET"))).toMatch(
      /^HTTP\/1\.1 200 \r\nServer: [^\r]*\r\nConnection: keep-alive\r\nContent-Type: application\/json\r\nContent-Length: \d+\r\n\r\n\{/,
    );
    expect(await ask(put("vm.unknown"))).toMatch(/^HTTP\/1\.1 404 [\s\S]*\["Not Found"\]$/);
    expect(await ask(put("vm.info?x=1", undefined, "GET"))).toMatch(/^HTTP\/1\.1 404 /);
    expect(await ask(put("vm.info", undefined, "GET"))).toMatch(/^HTTP\/1\.1 404 [\s\S]*is not created"\]$/);
    for (const wrong of [
      put("vm.boot", undefined, "GET"),
      put("vm.boot", {}),
      put("vm.create"),
      put("vm.create", { payload: {}, cpu: {} }),
    ]) {
      expect(await ask(wrong)).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect(await ask(`PUT /api/v1/${"x".repeat(2000)}`)).toMatch(/^HTTP\/1\.1 400 [\s\S]*dropped\." \}$/);
    expect(await ask("PUT /api/v1/vm.create HTTP/1.1\r\nContent-Length: 51201\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("has room for ten connections", async () => {
    const { paths } = await start();
    const open = await openConnections(paths.api, 10);
    onTestFinished(() => void open.map((socket) => socket.destroy()));
    expect(await rawExchange(paths.api, "", /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 503 /);
  });

  test("does one thing at a time, whichever connection it came by", async () => {
    const { api, config, paths } = await start();
    await api.send("vm.create", config(), options());
    let booted = false;
    const boot = api.put("vm.boot", options()).then(() => {
      booted = true;
    });
    // Another connection's: behind the boot.
    await rawExchange(paths.api, put("vmm.ping", undefined, "GET"), /pid/);
    await expect.poll(() => booted).toBe(true);
    await boot;
  });

  test("takes any config, and refuses it at the boot", async () => {
    const { api, config } = await start();
    await api.send("vm.create", config("copy", { kernel: "/nonexistent" }), options());
    await expect(api.send("vm.create", config(), options())).rejects.toThrow(/500: .*already created/);
    await expect(api.put("vm.boot", options())).rejects.toThrow(/500: .*\(os error 2\)/);
  });

  test("goes through the states, and through no others", async () => {
    const { api } = await booted();
    const state = async () => (await api.info(options())).state;
    expect(await state()).toBe("Running");
    await expect(api.put("vm.resume", options())).rejects.toThrow(/500/);
    await api.put("vm.pause", options());
    await expect(api.put("vm.pause", options())).rejects.toThrow(/500/);
    expect(await state()).toBe("Paused");
    await api.put("vm.resume", options());
    expect(await state()).toBe("Running");
  });

  test("writes a snapshot of a paused VM alone, into an empty folder", async () => {
    const { api, paths } = await booted();
    const destination_url = `file://${paths.snapshot}`;
    await expect(api.send("vm.snapshot", { destination_url }, options())).rejects.toThrow(/500/);
    await api.put("vm.pause", options());
    const nowhere = { destination_url: `file://${paths.snapshot}/none` };
    await expect(api.send("vm.snapshot", nowhere, options())).rejects.toThrow(/os error 2/);
    await api.send("vm.snapshot", { destination_url }, options());
    const { config, state, memory } = snapshotFilesOf(paths.snapshot);
    for (const path of [config, state, memory]) {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
    expect((await stat(memory)).size).toBe(64 * 2 ** 20);
    await expect(api.send("vm.snapshot", { destination_url }, options())).rejects.toThrow(/os error 17/);
  });

  test("restores into a VMM that has no VM, paused or not, and can be used again when that failed", async () => {
    const first = await booted();
    await first.api.put("vm.pause", options());
    await first.api.send("vm.snapshot", { destination_url: `file://${first.paths.snapshot}` }, options());
    const restore = {
      source_url: `file://${first.paths.snapshot}`,
      memory_restore_mode: "Copy",
      resume: false,
    } as const;
    await expect(first.api.send("vm.restore", restore, options())).rejects.toThrow(/already created/);
    const second = await start();
    // The first VM's socket is there still.
    await expect(second.api.send("vm.restore", restore, options())).rejects.toThrow(/Address in use/);
    first.process.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    await second.api.send("vm.restore", restore, options());
    expect((await second.api.info(options())).state).toBe("Paused");
    const later = { ...restore, memory_restore_mode: "CopyOnWrite" } as const;
    await expect(second.api.send("vm.restore", later, options())).rejects.toThrow(
      /400: .*unknown variant `CopyOnWrite`/,
    );
  });

  test("answers a CONNECT with a port of the host's, closes for others, and says nothing before the guest is up", async () => {
    const { paths } = await booted("copy", { cmdline: ["standin.activate_ms=300"] });
    expect(await rawExchange(paths.vsockDevice, "CONNECT 18047\n", /\n/)).toMatch(/^OK 10737418\d\d\n$/);
    expect(await readFile(paths.events, "utf8")).toContain('"activated"');
    expect(await rawExchange(paths.vsockDevice, "connect 18047\n", /\n/)).toMatch(/^OK/);
    expect(await rawExchange(paths.vsockDevice, "CONNECT 4242\n", /\n/)).toBe("");
    expect(await rawExchange(paths.vsockDevice, `CONNECT ${"1".repeat(40)}\n`, /\n/)).toBe("");
  });

  test("lets its guest connect to the host's socket of a port", async () => {
    const { api, config, paths } = await start();
    const server = createServer();
    const heard = new Promise<string>((resolve) => {
      server.on("connection", (socket) => socket.on("data", (data) => resolve(data.toString())));
    });
    await new Promise<void>((resolve) => server.listen(`${paths.vsockDevice}_1024`, resolve));
    onTestFinished(() => void server.close());
    await api.send("vm.create", config("copy", { cmdline: ["standin.dial=1024"] }), options());
    await api.put("vm.boot", options());
    expect(await heard).toBe("hello from the guest\n");
  });

  test("tells events over several lines, with a blank one at the end", async () => {
    const { paths } = await booted();
    const text = await readFile(paths.events, "utf8");
    const events = text
      .trim()
      .split("\n\n")
      .map((one) => JSON.parse(one));
    expect(events.map(({ source, event }) => `${source} ${event}`)).toEqual(
      expect.arrayContaining(["vmm starting", "vm booting", "vm booted"]),
    );
    expect(events[0].timestamp).toEqual({ secs: 0, nanos: expect.any(Number) });
  });

  test("leaves its sockets when it is killed, starts over them, but binds no vsock that is there", async () => {
    const first = await booted();
    const { api, vsockDevice, own } = first.paths;
    first.process.kill("SIGKILL");
    expect(await first.ended).toBe("SIGKILL");
    expect([api, `${api}.lock`, vsockDevice].map(existsSync)).toEqual([true, true, true]);
    const second = await start(first.paths);
    await second.api.send("vm.create", second.config(), options());
    await expect(second.api.put("vm.boot", options())).rejects.toThrow(/Address in use \(os error/);
    await rm(vsockDevice);
    await rm(join(own, "agent"), { force: true });
    await second.api.put("vm.boot", options());
    second.process.kill("SIGTERM");
    expect(await second.ended).toBe(0);
    expect([api, `${api}.lock`, vsockDevice].map(existsSync)).toEqual([false, false, false]);
  });

  test("ends by its shutdown call, in order", async () => {
    const { paths, ended } = await start();
    expect(await rawExchange(paths.api, put("vmm.shutdown"), /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200 \r\n/);
    expect(await ended).toBe(0);
  });

  test("opens nothing that landlock has no rule for", async () => {
    const { api, paths } = await booted();
    const elsewhere = join(paths.own, "..", "elsewhere");
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, "disk"), "");
    const disk = { id: "disk-x", path: join(elsewhere, "disk"), readonly: true, image_type: "Raw" } as const;
    const rest = { backing_files: false, sparse: true, num_queues: 1, queue_size: 128, serial: "x" };
    await expect(api.send("vm.add-disk", { ...disk, ...rest }, options())).rejects.toThrow(/Permission denied/);
  });
});
