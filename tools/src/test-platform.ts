/** A platform of its own for the tests that are ordinary clients: own ports, own folders, gone at the end. */
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { root, type Setup } from "./setup/setup.ts";
import { spawnDependent } from "./spawn-dependent.ts";
import { endVms, sweepTestPlatforms, testDataPrefix, testFirstUid, testRunDirOf } from "./sweep-test-platforms.ts";

export interface TestPlatform extends AsyncDisposable {
  /** DNAH_TEST_URL, DNAH_TEST_API_KEY_FILE and where its folders and processes are. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startTestPlatform(setup: Setup): Promise<TestPlatform> {
  sweepTestPlatforms();
  const dataDir = mkdtempSync(testDataPrefix);
  const runDir = testRunDirOf(dataDir);
  mkdirSync(runDir);
  const [port, hostdPort, edgePort] = [await freePort(), await freePort(), await freePort()];
  const flags = {
    "--data-dir": dataDir,
    "--run-dir": runDir,
    "--listen": `127.0.0.1:${port}`,
    "--hostd-listen": `127.0.0.1:${hostdPort}`,
    "--edge-listen": `127.0.0.1:${edgePort}`,
    "--bundle": setup.bundle,
    // What a test deletes is to be gone.
    "--tombstone-retention": "0",
    "--vhost-device-vsock": setup.vhostDeviceVsock,
  };
  const argv = [join(root, "cli/src/main.ts"), "up", ...Object.entries(flags).flat(), "--no-config"];
  const log = createWriteStream(join(dataDir, "up.log"));
  const child = spawnDependent([process.execPath, ...argv], { cwd: root });
  child.stderr.pipe(log, { end: false });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let printed = "";
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes("ready ")) resolve();
    });
    void ended.then(() =>
      reject(
        new Error(`dnah up ended early:\n${printed}\n${readFileSync(join(dataDir, "up.log"), "utf8").slice(-8000)}`),
      ),
    );
  });
  await ready;
  const firstUid = testFirstUid(dataDir);
  return {
    env: {
      DNAH_TEST_URL: `http://127.0.0.1:${port}`,
      DNAH_TEST_API_KEY_FILE: join(dataDir, "admin.key"),
      DNAH_TEST_DATA_DIR: dataDir,
      DNAH_TEST_RUN_DIR: runDir,
      DNAH_TEST_FIRST_UID: String(firstUid),
      DNAH_TEST_UP_PID: String(child.pid),
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
      const left = readdirSync(join(dataDir, "hostd/vms"));
      if (left.length > 0) endVms(firstUid);
      if (left.length > 0) throw new Error(`the tests left sandboxes behind: ${left.join(" ")}; see ${dataDir}`);
      rmSync(dataDir, { recursive: true, force: true });
      rmSync(runDir, { recursive: true, force: true });
    },
  };
}
