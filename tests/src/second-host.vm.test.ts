/** A second machine joins by the command line; the first one is emptied, and what runs on it runs on there. */
import { Client, type Pty, Sandbox } from "daytonah";
import { expect, test } from "vitest";
import { testPlatform } from "./testing/api.ts";
import { dnah } from "./testing/dnah.ts";
import { entries } from "./testing/machine.ts";
import { joinSecondHost } from "./testing/second-host.ts";

const { DNAH_TEST_DATA_DIR } = process.env;

interface HostView {
  readonly id: string;
  readonly state: string;
  readonly draining: boolean;
  readonly sandboxes: number;
}

async function hosts(): Promise<readonly HostView[]> {
  return JSON.parse((await dnah(["hosts", "--json"])).stdout);
}

/** Reads the terminal from now on. */
function listen(pty: Pty): { readonly text: () => string } {
  let text = "";
  void (async () => {
    for await (const bytes of pty) text += Buffer.from(bytes).toString();
  })().catch((error: unknown) => {
    text += String(error);
  });
  return { text: () => text };
}

test("a host is drained: a sandbox's open stream and its Python go on at another, which had joined with a token", async () => {
  const [first] = await hosts();
  const firstId = first?.id ?? "";
  await using stack = new AsyncDisposableStack();
  // Other files' tests come after this one, also where it fails.
  stack.defer(async () => void (await dnah(["host", "undrain", firstId])));
  const second = stack.use(await joinSecondHost());
  await expect.poll(async () => (await hosts()).map(({ state }) => state)).toEqual(["ready", "ready"]);
  expect(await dnah(["host", "drain", second.id, "--wait"])).toMatchObject({ code: 0, stdout: "second\n" });
  const client = new Client(testPlatform());
  const relayed = new Client({ ...testPlatform(), direct: "never" });
  {
    await using sandbox = await Sandbox.create({ client, memoryMib: 256 });
    expect(await sandbox.info()).toMatchObject({ hostId: firstId, epoch: 1 });
    expect((await dnah(["host", "undrain", second.id])).code).toBe(0);

    const python = await sandbox.pty({ command: ["python3", "-q"] });
    const terminal = listen(python);
    await python.write("answer = 6 * 7\n");
    const same = await Sandbox.connect(sandbox.id, { client: relayed });
    const counting = same.exec("i=0; while [ ! -e /tmp/enough ]; do echo $i; i=$((i+1)); sleep 0.1; done");
    const lines: string[] = [];
    const reading = (async () => {
      for await (const { text } of counting) lines.push(text);
    })();
    reading.catch(() => undefined); // looked at below, where we come so far
    await expect.poll(() => lines.length).toBeGreaterThan(3);

    const drained = await dnah(["host", "drain", firstId, "--wait", "--json"]);
    expect(drained.stderr).toContain("left: 1 sandboxes, 0 snapshots");
    expect(JSON.parse(drained.stdout)).toMatchObject({ id: firstId, draining: true, sandboxes: 0 });
    await expect.poll(() => sandbox.info()).toMatchObject({ hostId: second.id, state: "running", epoch: 3 });
    expect([entries(`${DNAH_TEST_DATA_DIR}/hostd/vms`), entries(second.vmsDir)]).toEqual([[], [sandbox.id]]);

    await python.write("print('the answer is', answer)\n");
    await expect.poll(terminal.text).toContain("the answer is 42");
    await sandbox.files.write("/tmp/enough", "");
    await reading;
    const counted = lines.join("");
    expect(counted).toBe(Array.from({ length: counted.split("\n").length - 1 }, (_, index) => `${index}\n`).join(""));
    await python.kill();
    expect((await dnah(["host", "rm", second.id])).stderr).toContain("has sandboxes or snapshots");
  }
  expect((await dnah(["host", "undrain", firstId])).code).toBe(0);
  expect(await dnah(["host", "rm", second.id])).toMatchObject({ code: 0, stdout: "second\n" });
  expect((await hosts()).map(({ id }) => id)).toEqual([firstId]);
}, 120_000);
