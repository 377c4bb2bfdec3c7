import { mkdtemp, rm } from "node:fs/promises";
import { connect, type SecureClientSessionOptions } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { problemOf } from "@daytonah/lib/problem.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientsOf, sessionOf } from "../testing/daemon.ts";
import { makePki, type TestPki } from "../testing/pki.ts";
import { servedVm } from "./testing/served-vm.ts";

let dir: string;
let pki: TestPki;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "dnah-"));
  pki = makePki(dir);
});
afterAll(() => rm(dir, { recursive: true }));

const serve = () => servedVm(pki, "/nonexistent");

async function listVms(url: string, identity: TestPki["server"], bearer: string) {
  const session = sessionOf(url, pki, identity);
  try {
    return await clientsOf(url, session, bearer).host.listVms({});
  } finally {
    session.abort();
  }
}

/** Status and body of a GET, or the error. */
function get(url: string, path: string, options: SecureClientSessionOptions, bearer = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connect(url, { ca: pki.ca, ...options });
    session.on("error", reject);
    session.on("close", () => reject(new Error("closed")));
    const stream = session.request({ ":path": path, authorization: `Bearer ${bearer}` });
    let text = "";
    stream.on("error", reject);
    stream.on("response", (headers) => {
      text = `${headers[":status"]} `;
    });
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on("end", () => {
      if (text !== "") resolve(text);
      session.close();
    });
    stream.end();
  });
}

describe("the daemon's port", () => {
  test("answers the control plane", async () => {
    await using daemon = await serve();
    expect((await listVms(daemon.url, pki.server, pki.bearer)).vms).toHaveLength(1);
  });

  test.each(["", "wrong-bearer"])("refuses the bearer %j", async (bearer) => {
    await using daemon = await serve();
    const error = await listVms(daemon.url, pki.server, bearer).catch((reason: unknown) => ConnectError.from(reason));
    expect((error as ConnectError).code).toBe(Code.Unauthenticated);
    expect(problemOf(error)?.reason).toBe("CREDENTIAL_INVALID");
  });

  test("refuses a certificate that is not the server's", async () => {
    await using daemon = await serve();
    await expect(listVms(daemon.url, pki.stranger, pki.bearer)).rejects.toThrow();
  });

  test("refuses a peer without a certificate", async () => {
    await using daemon = await serve();
    await expect(get(daemon.url, "/healthz", {}, pki.bearer)).rejects.toThrow();
  });

  test("tells health and figures to the control plane alone", async () => {
    await using daemon = await serve();
    expect(await get(daemon.url, "/healthz", pki.server, pki.bearer)).toBe("200 ok\n");
    expect(await get(daemon.url, "/metrics", pki.server, pki.bearer)).toContain('dnah_hostd_vms{state="running"} 1');
    expect(await get(daemon.url, "/metrics", pki.server)).toBe("401 ");
    expect(await get(daemon.url, "/v1/moves/one?epoch=1", pki.server)).toBe("401 ");
    expect(await get(daemon.url, "/other", pki.server, pki.bearer)).toBe("404 ");
  });
});
