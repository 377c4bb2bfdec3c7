import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { adoptVms } from "./adopt-vms.ts";
import { setVmAccess } from "./set-vm-access.ts";
import { startVm } from "./start-vm.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";
import type { VmAccess } from "./vm-record.ts";

const { signal } = new AbortController();

const access = (version: number, more: Partial<VmAccess> = {}): VmAccess => ({
  ...{ version, tokenGeneration: 1, tokenSha256: "a".repeat(64), signingKey: "b".repeat(64), publicPorts: [] },
  ...more,
});

describe("who may reach a VM", () => {
  test("comes with its start, and is written down where only root reads it", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one", { access: access(3, { publicPorts: [80] }) }));
    expect(host.deps.registry.get("one")?.record).toMatchObject({
      state: "running",
      access: access(3, { publicPorts: [80] }),
    });
    const file = join(host.dataDir, "vms/one/vm.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ access: { version: 3 } });
  });

  test("is what the newest version says, in whichever order they come", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one"));
    const set = (version: number, port: number) =>
      setVmAccess(host.deps, "one", 1, access(version, { publicPorts: [port] }));
    await Promise.all([set(2, 2), set(3, 3), set(1, 1), set(3, 4)]);
    expect(host.deps.registry.get("one")?.record.access).toMatchObject({ version: 3, publicPorts: [3] });
  });

  test("is the same after a restart of the daemon", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one"));
    await setVmAccess(host.deps, "one", 1, access(7));
    const deps = await host.restart();
    host.script.alive.add("one");
    await adoptVms(deps, { signal });
    expect(deps.registry.get("one")?.record).toMatchObject({ state: "running", access: access(7) });
  });

  test("is refused for another epoch, and for a sandbox that is not here", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one", { epoch: 5 }));
    const reasonOf = (call: Promise<void>) => call.catch((error: unknown) => problemOf(error)?.reason);
    expect(await reasonOf(setVmAccess(host.deps, "one", 4, access(1)))).toBe("SANDBOX_NOT_RUNNING");
    expect(await reasonOf(setVmAccess(host.deps, "two", 5, access(1)))).toBe("SANDBOX_NOT_FOUND");
    expect(host.deps.registry.get("one")?.record.access).toBeUndefined();
  });

  test("tells watchers", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one"));
    const stop = new AbortController();
    const versions: (number | undefined)[] = [];
    const watching = (async () => {
      for await (const event of host.deps.registry.watch({ signal: stop.signal, idleMs: 60_000 })) {
        if (event.t === "vm") versions.push(event.record.access?.version);
        if (event.t === "synced") await setVmAccess(host.deps, "one", 1, access(2));
        if (versions.length === 2) stop.abort();
      }
    })();
    await watching;
    expect(versions).toEqual([undefined, 2]);
  });
});
