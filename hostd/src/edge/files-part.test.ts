import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileGrant, fileQueryOf, signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RealAgent, realAgent } from "../guest/testing/real-agent.ts";
import { accessOf, openEdge } from "./testing/open-edge.ts";

let agent: RealAgent;
let dir: string;
let edge: Awaited<ReturnType<typeof openEdge>>;

beforeAll(async () => {
  agent = await realAgent();
  dir = await mkdtemp(join(tmpdir(), "dnah-"));
  edge = await openEdge(agent.path);
});
afterAll(async () => {
  await edge[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const signed = (grant: Partial<FileGrant>, ms = 60_000, token = "token-1") => {
  const whole = { sandboxId: edge.sandboxId, operation: "read", path: join(dir, "f"), user: "", ...grant } as const;
  return String(fileQueryOf(signingKeyOf(token), whole, new Date(Date.now() + ms)));
};
const ask = (query: string, init: RequestInit = {}, id = edge.sandboxId) =>
  fetch(`${edge.url}/v1/sandboxes/${id}/files?${query}`, init);
const failureOf = async (answer: Response) => {
  const { details } = (await answer.json()) as { details: { debug: { reason: string } }[] };
  return [answer.status, details[0]?.debug.reason.replace("ERROR_REASON_", "")];
};

test("a signed address lets a stranger read, or write, its one file", async () => {
  await writeFile(join(dir, "f"), "content");
  expect(await (await ask(signed({}))).text()).toBe("content");
  expect((await ask(signed({}), { method: "HEAD" })).status).toBe(200);
  expect((await ask(signed({ operation: "write" }), { method: "PUT", body: "new" })).status).toBe(200);
  expect(await readFile(join(dir, "f"), "latin1")).toBe("new");
});

test("a signed address allows nothing else", async () => {
  const wrong = [401, "CREDENTIAL_INVALID"];
  expect(await failureOf(await ask(signed({}), { method: "PUT", body: "x" }))).toEqual(wrong);
  expect(await failureOf(await ask(signed({ operation: "write" })))).toEqual(wrong);
  expect(await failureOf(await ask(signed({}, 60_000, "token-0")))).toEqual(wrong);
  expect(await failureOf(await ask(signed({}), {}, "another"))).toEqual(wrong);
  expect(await failureOf(await ask(`${signed({})}&path=/etc/passwd`.replace(/^path=[^&]*&/, "")))).toEqual(wrong);
  expect(await failureOf(await ask(signed({}, -5_000)))).toEqual([403, "LINK_EXPIRED"]);
  expect(await failureOf(await ask("path=/x"))).toEqual([401, "CREDENTIAL_MISSING"]);
  expect(await failureOf(await ask("path=/x", { method: "DELETE" }))).toEqual([401, "CREDENTIAL_MISSING"]);
  const form = new FormData();
  form.append("file", new Blob(["x"]), "../outside");
  const below = signed({ operation: "write", path: `${dir}/` });
  expect(await failureOf(await ask(below, { method: "POST", body: form }))).toEqual([400, "FIELD_INVALID"]);
});

test("what is added to a signed address changes neither its path nor its user", async () => {
  await writeFile(join(dir, "f"), "content");
  const wrong = [401, "CREDENTIAL_INVALID"];
  expect(await (await ask(`${signed({})}&path=/etc/passwd`)).text()).toBe("content");
  expect(await failureOf(await ask(`path=/etc/passwd&${signed({})}`))).toEqual(wrong);
  expect(await failureOf(await ask(`${signed({})}&user=root`))).toEqual(wrong);
  expect(await failureOf(await ask(`${signed({})}&expires=9999999999`.replace(/expires=\d+&/, "")))).toEqual(wrong);
});

test("a new access token ends what was signed with the old one, also under way", async () => {
  await writeFile(join(dir, "large"), Buffer.alloc(64 * 1024 * 1024));
  const query = signed({ path: join(dir, "large") });
  const answer = await ask(query);
  await edge.setAccess(accessOf("token-2", 2));
  await expect(answer.arrayBuffer()).rejects.toThrow();
  expect(await failureOf(await ask(query))).toEqual([401, "CREDENTIAL_INVALID"]);
});
