/** The package as it is published: built, packed, unpacked elsewhere, and used by plain Node and by tsc. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { readmeProgram } from "./testing/readme-program.ts";
import { serveFake } from "./testing/serve-fake.ts";

const sdk = resolve(import.meta.dirname, "..");
const modules = resolve(sdk, "../node_modules");

/** A folder with the packed package and its dependencies installed, without a network. */
function installPacked(folder: string): void {
  execFileSync(process.execPath, [join(sdk, "build.ts")], { stdio: "pipe" });
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder, join(sdk, "dist")], {
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
  });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  const target = join(folder, "node_modules/daytonah");
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, String(tarball)), "-C", target, "--strip-components=1"]);
  const { dependencies } = JSON.parse(readFileSync(join(target, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(modules, name), link);
  }
}

const program = `
import { Sandbox } from "daytonah";
await using sandbox = await Sandbox.create();
const { stdout } = await sandbox.exec(["echo", "from the package"], { check: true });
const text: string = stdout;
console.log(text.trim());
`;

test("the packed package is usable by plain Node and typed for tsc, as the README uses it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "daytonah-package-"));
  try {
    installPacked(folder);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(folder, "main.ts"), program);
    writeFileSync(join(folder, "readme.ts"), readmeProgram("daytonah"));
    const options = { strict: true, noEmit: true, module: "nodenext", target: "esnext", types: ["node"] };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions: options, files: ["main.ts", "readme.ts"] }),
    );
    const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
    execFileSync(process.execPath, [tsc, "-p", folder], { stdio: "pipe" });

    await using fake = await serveFake();
    const env = { ...process.env, DNAH_URL: fake.url, DNAH_API_KEY: fake.platform.apiKey };
    const child = spawn(process.execPath, ["main.ts"], { cwd: folder, env });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk));
    await new Promise((done) => child.once("close", done));
    expect(printed).toBe("from the package\n");
    expect(fake.platform.sandboxes.size).toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what browsers load has no part of Node in it", () => {
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, name = ""] of readFileSync(file, "utf8").matchAll(
      /^(?:import|export) (?!type )[^;]*?from "([^"]+)"/gm,
    )) {
      expect(name, file).not.toMatch(/^node:|connect-node/);
      if (name === "#transport") visit(join(sdk, "src/transport/browser.ts"));
      else if (name === "#tcp") visit(join(sdk, "src/transport/browser-tcp.ts"));
      else if (name.startsWith(".")) visit(resolve(dirname(file), name));
    }
  };
  visit(join(sdk, "src/index.ts"));
  expect(seen.size).toBeGreaterThan(20);
});
