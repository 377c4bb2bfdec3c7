/** What a person's browser makes of a sandbox: its ports' addresses, and the client in a page. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type ReachedSandbox, reachedSandbox } from "./testing/both-paths.ts";
import { startBrowser } from "./testing/browser.ts";

const port = 8080;
let browser: Browser;
let sandbox: ReachedSandbox;
let context: BrowserContext;

beforeAll(async () => {
  sandbox = await reachedSandbox();
  const program = readFileSync(fileURLToPath(new URL("testing/browser-page.py", import.meta.url)), "utf8");
  const command = { case: "argv" as const, value: { args: ["python3", "-c", program] } };
  for await (const { event } of sandbox.by("control plane").processes.exec({ command, processId: "page" })) {
    if (event.case === "output") break;
  }
  browser = await startBrowser();
});

afterAll(async () => {
  await browser?.close();
  await sandbox?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  context = await browser.newContext();
  onTestFinished(() => context.close());
});

describe.each(["url", "directUrl"] as const)("by its %s", (way) => {
  test("a port's link opens its page, with scripts and WebSockets, and leaves no token behind", async () => {
    const url = (await sandbox.api.sandboxes.createPortUrl({ sandboxId: sandbox.id, port }))[way];
    const page = await context.newPage();
    const response = await page.goto(url);
    expect(response?.status()).toBe(200);
    await page.waitForFunction(() => document.title !== "loading");
    expect(await page.title()).toBe("hello, no referrer");
    expect(new URL(page.url()).search).toBe("");
    const [cookie, ...others] = await context.cookies();
    expect(others).toEqual([]);
    expect(cookie).toMatchObject({
      name: expect.stringMatching(/dnah-port$/),
      httpOnly: true,
      sameSite: "Lax",
      path: "/",
    });
    expect(await page.evaluate(() => document.cookie)).toBe("");
    // The cookie lets in from now on, and no other browser.
    expect((await page.reload())?.status()).toBe(200);
    const stranger = await (await browser.newContext()).newPage();
    onTestFinished(() => stranger.context().close());
    const refused = await stranger.goto(new URL("/", url).href);
    expect(refused?.status()).toBe(401);
    expect(await stranger.textContent("body")).toMatch(/link/i);
  });
});

describe.each(["never", "always"] as const)("with direct: %s", (direct) => {
  test("the client runs in a page: programs, output as it comes, files and a terminal", async () => {
    const { url } = await sandbox.api.sandboxes.createPortUrl({ sandboxId: sandbox.id, port });
    const page = await context.newPage();
    await page.goto(url);
    await page.addScriptTag({ content: await bundledClient() });
    const settings = {
      id: sandbox.id,
      accessToken: sandbox.accessToken,
      url: sandbox.originOf["control plane"],
      directUrl: sandbox.originOf["direct path"],
      direct,
    };
    const seen = await page.evaluate(inPage, settings);
    expect(seen).toEqual({
      result: { exitCode: 3, stdout: "out\n" },
      pieces: ["one\n", "two\n"],
      text: "from a page",
      names: ["page.txt"],
      terminal: "typed",
      error: ["NotFoundError", "FILE_NOT_FOUND"],
    });
  });
});

interface PageSettings {
  readonly id: string;
  readonly accessToken: string;
  readonly url: string;
  readonly directUrl: string;
  readonly direct: "never" | "always";
}

/** Runs in the page: it can use nothing of this file. */
async function inPage({ id, accessToken, url, directUrl, direct }: PageSettings) {
  const { Client, Sandbox, NotFoundError } = (globalThis as unknown as { daytonah: typeof import("daytonah") })
    .daytonah;
  const sandbox = await Sandbox.connect(id, { accessToken, directUrl, client: new Client({ url, direct }) });
  const { exitCode, stdout } = await sandbox.exec("echo out; exit 3");
  const pieces: string[] = [];
  for await (const { text } of sandbox.exec("echo one; sleep 0.3; echo two")) pieces.push(text);
  await sandbox.files.write("/tmp/in-page/page.txt", "from a page");
  const text = await sandbox.files.readText("/tmp/in-page/page.txt");
  const names: string[] = [];
  for await (const { name } of sandbox.files.list("/tmp/in-page")) names.push(name);
  const pty = await sandbox.pty({ command: ["head", "-n", "1"] });
  await pty.write("typed\n");
  let shown = "";
  for await (const bytes of pty) shown += new TextDecoder().decode(bytes);
  const error = await sandbox.files.stat("/tmp/none").catch((thrown: unknown) => thrown);
  return {
    result: { exitCode, stdout },
    pieces,
    text,
    names,
    terminal: shown.split("\r\n")[0],
    error: error instanceof NotFoundError ? [error.name, error.reason] : String(error),
  };
}

/** The client as a page gets it from a bundler, at `globalThis.daytonah`. */
async function bundledClient(): Promise<string> {
  await using bundle = await rolldown({
    input: fileURLToPath(import.meta.resolve("daytonah")),
    platform: "browser",
    logLevel: "silent",
  });
  const { output } = await bundle.generate({ format: "iife", name: "daytonah" });
  return output[0].code;
}
