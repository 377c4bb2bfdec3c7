import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { Client, Sandbox } from "../index.ts";
import { serveFake } from "../testing/serve-fake.ts";

/** Runs a program against a fake platform; resolves with what it prints once it ends by itself. */
async function output(program: string): Promise<string> {
  await using fake = await serveFake();
  const sandbox = await Sandbox.create({ client: new Client({ url: fake.url, apiKey: fake.platform.apiKey }) });
  await sandbox.files.write("f", new Uint8Array(3_000_000));
  const index = new URL("../index.ts", import.meta.url).href;
  const source = `import { Sandbox } from "${index}";\nconst sandbox = await Sandbox.connect("${sandbox.id}");\n${program}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    env: { ...process.env, DNAH_URL: fake.url, DNAH_API_KEY: fake.platform.apiKey },
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
  }
  await new Promise((resolve) => child.once("close", resolve));
  return printed;
}

test("a process that was read to its end keeps Node alive no longer", async () => {
  const program = `
    const running = sandbox.exec("sleep");
    void running.pid.then(() => running.kill("SIGINT"));
    for await (const _ of running);
    console.log((await running).exitCode);`;
  expect(await output(program)).toBe("130\n");
});

test("a stream that was left early keeps Node alive no longer", async () => {
  const program = `
    for await (const _ of sandbox.files.stream("f")) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      break;
    }
    for await (const _ of sandbox.exec("flood 3 10")) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      break;
    }
    console.log("left");`;
  expect(await output(program)).toBe("left\n");
});
