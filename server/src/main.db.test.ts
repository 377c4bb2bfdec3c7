import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { createFakeHost, type FakeHost } from "./hosts/fake-host.ts";
import { openTestPki, startJoinedHostDaemon } from "./testing/joined-host-daemon.ts";
import { tempDir } from "./testing/temp-dir.ts";
import { testDatabase } from "./testing/test-database.ts";
import { connectTransport, until } from "./testing/test-server.ts";

interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly kill: (signal: NodeJS.Signals) => Promise<number | null>;
}

async function startProcess(env: Record<string, string>): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL("main.ts", import.meta.url))], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...env, DNAH_LISTEN: "127.0.0.1:0", DNAH_LOG_LEVEL: "error" },
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  for await (const line of lines) {
    if (line.startsWith("ready ")) {
      return {
        url: line.slice("ready ".length),
        kill,
        [Symbol.asyncDispose]: async () => {
          await kill("SIGKILL");
        },
      };
    }
  }
  throw new Error(`it ended with ${await ended} before it was ready`);
}

/** The next StartVm stays open until `go`; resolves with its sandbox. */
function holdNext(host: FakeHost): { readonly begun: Promise<string>; readonly go: () => void } {
  const begun = Promise.withResolvers<string>();
  const gate = Promise.withResolvers<void>();
  host.onStart = ({ sandboxId }) => {
    host.onStart = async () => undefined;
    begun.resolve(sandboxId);
    return gate.promise;
  };
  return { begun: begun.promise, go: gate.resolve };
}

test("after kill -9 the next server finishes creates with a key, undoes those without, and ends deletes", async () => {
  using dir = tempDir();
  await using database = await testDatabase();
  const host = createFakeHost("h1");
  const secretFile = join(dir.path, "secret");
  await using _daemon = await startJoinedHostDaemon({
    db: database.db,
    pki: await openTestPki(database.db, secretFile),
    host,
  });
  const env = {
    DNAH_DATABASE_URL: database.url,
    DNAH_SECRET_FILE: secretFile,
    DNAH_BOOTSTRAP_KEY_FILE: join(dir.path, "admin.key"),
  };
  await using first = await startProcess(env);
  const key = readFileSync(env.DNAH_BOOTSTRAP_KEY_FILE, "utf8").trim();
  const clientOf = (url: string) =>
    createClient(SandboxService, connectTransport(url, { authorization: `Bearer ${key}` }));
  const sandboxes = clientOf(first.url);

  const { sandbox: kept } = await sandboxes.createSandbox({});
  const { sandbox: doomed } = await sandboxes.createSandbox({});
  const keyed = holdNext(host);
  const cut = [sandboxes.createSandbox({ idempotencyKey: "k" }).catch(() => undefined)];
  const keyedId = await keyed.begun;
  const orphaned = holdNext(host);
  cut.push(sandboxes.createSandbox({}).catch(() => undefined));
  const orphanId = await orphaned.begun;
  expect(await first.kill("SIGKILL")).toBe(null);
  await Promise.all(cut);
  // A delete that died between its decision and the host.
  await database.pool.query("update sandboxes set state = 'deleting', claim_until = now() where id = $1", [doomed?.id]);
  keyed.go();
  orphaned.go();

  await using second = await startProcess(env);
  const again = await clientOf(second.url).createSandbox({ idempotencyKey: "k" });
  expect(again).toMatchObject({ replayed: true, sandbox: { id: keyedId, state: SandboxState.RUNNING } });
  await until(() => host.vms.size === 2);
  expect([...host.vms.keys()].sort()).toEqual([kept?.id, keyedId].sort());
  const { sandboxes: listed } = await clientOf(second.url).listSandboxes({});
  expect(listed.map(({ id }) => id).sort()).toEqual([kept?.id, keyedId].sort());
  expect(listed.every(({ state }) => state === SandboxState.RUNNING)).toBe(true);
  const { rows } = await database.pool.query("select state from sandboxes where id = $1", [orphanId]);
  expect(rows).toEqual([{ state: "deleted" }]);
  expect(await second.kill("SIGTERM")).toBe(0);
});

test("a wrong configuration is one message and exit code 2", async () => {
  await expect(startProcess({})).rejects.toThrow("it ended with 2");
});
