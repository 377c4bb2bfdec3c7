/** Who is let in to a port, and what those are told who are not. */
import type http from "node:http";
import { describe, expect, test } from "vitest";
import { problem } from "../problem.ts";
import { signingKeyOf } from "../sandbox-signature.ts";
import { echoHeaders, seenBy } from "./testing/echo-headers.ts";
import { answered, oneEdge, sandboxId } from "./testing/one-edge.ts";

describe("a visitor", () => {
  const html = { accept: "text/html,*/*" };

  test("with a link gets a cookie and the address without its token; the guest sees neither", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const token = edge.tokenFor(guest.port);
    const noToken = { ...html, "dnah-port-token": "" };
    const first = await answered(
      edge.request(guest.port, { path: `/a?b=1&dnah_token=${token}`, headers: { ...noToken, cookie: "x=1" } }),
    );
    expect(first.status).toBe(302);
    expect(first.headers).toMatchObject({
      location: "/a?b=1",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
    });
    const cookie = /^(dnah-port=[^;]+); HttpOnly; SameSite=Lax; Path=\/; Max-Age=(\d+)$/.exec(
      first.headers["set-cookie"]?.[0] ?? "",
    );
    expect(Number(cookie?.[2])).toBeGreaterThan(50);
    const second = await answered(
      edge.request(guest.port, { path: "/a?b=1", headers: { ...noToken, cookie: `x=1; ${cookie?.[1]}` } }),
    );
    const seen = seenBy(second.text);
    expect([seen.url, seen.headers.cookie]).toEqual(["/a?b=1", "x=1"]);
    expect(seen.headers).not.toHaveProperty("dnah-port-token");
  });

  test("behind TLS gets the cookie that only this host can set, and the other one is worth nothing", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const token = edge.tokenFor(guest.port);
    const tls = { ...html, "x-forwarded-proto": "https", "dnah-port-token": "" };
    const first = await answered(edge.request(guest.port, { path: `/?dnah_token=${token}`, headers: tls }));
    expect(first.headers["set-cookie"]?.[0]).toMatch(/^__Host-dnah-port=[^;]+; Secure; HttpOnly; /);
    const with_ = async (cookie: string) =>
      (await answered(edge.request(guest.port, { headers: { ...tls, cookie } }))).status;
    expect(await with_(`__Host-dnah-port=${token}`)).toBe(200);
    expect(await with_(`dnah-port=${token}`)).toBe(401);
  });

  test("is never sent to another host by a link", async () => {
    await using edge = await oneEdge();
    const path = (start: string) => `${start}evil.example/?dnah_token=${edge.tokenFor(80)}`;
    for (const start of ["//", "/\\", "///"]) {
      const answer = await answered(edge.request(80, { path: path(start), headers: html }));
      const target = new URL(answer.headers.location as string, "http://80-sbx1.localhost/");
      expect([answer.status, target.host]).toEqual([302, "80-sbx1.localhost"]);
    }
  });

  test("that is a program uses a link as it is", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const path = `/x?dnah_token=${edge.tokenFor(guest.port)}&y`;
    const answer = await answered(edge.request(guest.port, { path, headers: { "dnah-port-token": "" } }));
    expect([answer.status, seenBy(answer.text).url]).toEqual([200, "/x?y"]);
  });

  test("comes to a public port without anything", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const headers = { "dnah-port-token": "" };
    expect((await answered(edge.request(guest.port, { headers }))).status).toBe(401);
    edge.access.publicPorts = [guest.port];
    expect((await answered(edge.request(guest.port, { headers }))).status).toBe(200);
    expect((await answered(edge.request(guest.port + 1, { headers }))).status).toBe(401);
  });

  test("has no way in any more when the sandbox's key has changed, with link or cookie", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const token = edge.tokenFor(guest.port);
    edge.access.signingKey = signingKeyOf("dnah_sbx_two");
    const byLink = await answered(edge.request(guest.port, { headers: { "dnah-port-token": token } }));
    const byCookie = await answered(
      edge.request(guest.port, { headers: { "dnah-port-token": "", cookie: `dnah-port=${token}` } }),
    );
    expect([byLink.status, byCookie.status]).toEqual([401, 401]);
  });

  test("is told when his link has expired", async () => {
    await using edge = await oneEdge();
    const headers = { "dnah-port-token": edge.tokenFor(80, -1000) };
    const answer = await answered(edge.request(80, { headers }));
    expect([answer.status, answer.headers["dnah-error"]]).toEqual([403, "LINK_EXPIRED"]);
  });

  test("learns nothing of a sandbox without a token: private, gone and never there look alike", async () => {
    await using edge = await oneEdge();
    const ask = async (id: string, token: string) => {
      const headers = { host: `80-${id}.localhost`, "dnah-port-token": token, "x-request-id": "r" };
      const { status, headers: answer, text } = await answered(edge.request(80, { headers }));
      return { status, text, error: answer["dnah-error"] };
    };
    edge.access.unavailable = problem("SANDBOX_NOT_RUNNING", "The sandbox is paused.");
    for (const token of ["", "1.x", edge.tokenFor(81)])
      expect(await ask(sandboxId, token)).toEqual(await ask("none", token));
  });

  test("of another sandbox's page can't act with the cookie, and one of its own sandbox can", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const from = async (provenance: http.OutgoingHttpHeaders) => {
      const headers = { "dnah-port-token": "", cookie: `dnah-port=${edge.tokenFor(guest.port)}`, ...provenance };
      return (await answered(edge.request(guest.port, { headers }))).status;
    };
    const image = { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" };
    expect(await from({ origin: "http://3000-sbx1.localhost:1" })).toBe(200);
    expect(await from({ origin: "http://3000-sbx2.localhost:1" })).toBe(401);
    expect(await from({ ...image, referer: "http://3000-sbx1.localhost:1/" })).toBe(200);
    expect(await from({ ...image, referer: "http://3000-sbx2.localhost:1/" })).toBe(401);
    expect(await from({ ...image, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" })).toBe(200);
  });

  test.each([
    ["text/html", "text/html; charset=utf-8", "<h1>This sandbox is paused</h1>"],
    ["*/*", "application/json", '"reason":"ERROR_REASON_SANDBOX_PAUSED"'],
  ])("that accepts %s gets an answer it can read", async (accept, type, text) => {
    await using edge = await oneEdge();
    edge.access.unavailable = problem("SANDBOX_PAUSED", "The sandbox is <paused>.", {
      metadata: { state: "paused" },
    });
    const answer = await answered(edge.request(80, { headers: { accept } }));
    expect([answer.status, answer.headers["content-type"], answer.headers["cache-control"]]).toEqual([
      503,
      type,
      "no-store",
    ]);
    expect(answer.text).toContain(text);
    expect(answer.text.includes("<paused>")).toBe(type === "application/json");
  });
});
