/** Files over plain HTTP, in a real VM, both ways: docs/http-files.md followed word by word, and a large file without growth. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { paths, type ReachedSandbox, reachedSandbox } from "./testing/both-paths.ts";
import { runScript, shellBlocks } from "./testing/follow-page.ts";
import { watchMemory } from "./testing/watch-memory.ts";

const mib = 1024 * 1024;

let sandbox: ReachedSandbox;

beforeAll(async () => {
  sandbox = await reachedSandbox();
});
afterAll(() => sandbox[Symbol.asyncDispose]());

describe.each(paths)("by the %s", (path) => {
  test("every command of the page does what the page says", async () => {
    const blocks = shellBlocks("docs/http-files.md");
    expect(blocks.length).toBeGreaterThan(8);
    const { id, accessToken, apiKey, originOf } = sandbox;
    const direct = [
      `sandbox=${originOf["direct path"]}/v1/sandboxes/${id}`,
      `key="Authorization: Bearer ${accessToken}"`,
    ];
    await using dir = await mkdtempDisposable(join(tmpdir(), "dnah-page-"));
    await writeFile(join(dir.path, "report.csv"), "a line of numbers: 1,2,3,4,5,6\n".repeat(2_000));
    await writeFile(join(dir.path, "large"), randomBytes(4 * mib));
    const script = [blocks[0], ...(path === "direct path" ? direct : []), ...blocks.slice(1)].join("\n");
    const env = { PATH: process.env.PATH, DNAH_URL: originOf["control plane"], DNAH_API_KEY: apiKey, id };
    const { code, output } = await runScript(script, dir.path, env);
    expect(code, output).toBe(0);
    expect(output).toMatch(/^304$/m);
    expect(output).toMatch(/"name":"large".*"size":"4194304"/);
    expect(output.match(/^(\.\/)?(forms\/)?(report\.csv|large)$/gm)).toHaveLength(2);
  });

  test("a large file passes both ways, and neither server nor daemon grows", async () => {
    const url = `${sandbox.originOf[path]}/v1/sandboxes/${sandbox.id}/files?path=/tmp/large-${paths.indexOf(path)}`;
    const headers = { authorization: `Bearer ${sandbox.accessToken}` };
    const piece = randomBytes(mib);
    const count = 24;
    using memory = watchMemory();
    const body = Readable.toWeb(Readable.from(Array<Buffer>(count).fill(piece))) as never;
    const written = await fetch(url, { method: "PUT", headers, body, duplex: "half" } as RequestInit);
    expect(await written.json()).toMatchObject({ size: String(count * mib) });
    const answer = await fetch(url, { headers });
    const hash = createHash("sha256");
    for await (const chunk of answer.body ?? []) hash.update(chunk);
    const expected = createHash("sha256");
    for (let n = 0; n < count; n += 1) expected.update(piece);
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
    expect(memory.mostGrowthBytes()).toBeLessThan(48 * mib);
  });
});
