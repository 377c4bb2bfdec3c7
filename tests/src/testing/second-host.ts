/** Another host of the test platform, on the same machine: it joins as a new machine does, with folders and ports of its own. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../../tools/src/free-port.ts";
import { spawnDependent } from "../../../tools/src/spawn-dependent.ts";
import { testDataPrefix, testRunDirOf } from "../../../tools/src/sweep-test-platforms.ts";
import { testPlatform } from "./api.ts";
import { dnah } from "./dnah.ts";

export interface SecondHost extends AsyncDisposable {
  readonly id: string;
  /** Where it keeps its VMs. */
  readonly vmsDir: string;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Resolves when its daemon is ready. */
export async function joinSecondHost(): Promise<SecondHost> {
  const id = "second";
  const { code, stdout, stderr } = await dnah(["host", "token", "--host-id", id]);
  if (code !== 0) throw new Error(`there is no token: ${stderr}`);
  const dataDir = mkdtempSync(testDataPrefix);
  const runDir = testRunDirOf(dataDir);
  mkdirSync(runDir);
  const flags = {
    ...{ "--server": testPlatform().url, "--token": stdout.trim(), "--host-id": id },
    "--hostd-listen": `127.0.0.1:${await freePort()}`,
    "--edge-listen": `127.0.0.1:${await freePort()}`,
    ...{ "--data-dir": dataDir, "--run-dir": runDir, "--bundle": process.env.DNAH_TEST_BUNDLE as string },
  };
  const argv = [join(root, "cli/src/main.ts"), "host", "join", ...Object.entries(flags).flat()];
  const child = spawnDependent([process.execPath, ...argv], { cwd: root });
  let printed = "";
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-8_000);
    });
  }
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", () => printed.includes("ready ") && resolve());
    void ended.then(() => reject(new Error(`dnah host join ended early:\n${printed}`)));
  });
  return {
    id,
    vmsDir: join(dataDir, "hostd/vms"),
    async [Symbol.asyncDispose]() {
      await dnah(["host", "rm", id, "--force"]); // where its test has not
      child.kill("SIGTERM");
      await ended;
      rmSync(dataDir, { recursive: true, force: true });
      rmSync(runDir, { recursive: true, force: true });
    },
  };
}
