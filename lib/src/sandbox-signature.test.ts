import { expect, test } from "vitest";
import { problemOf } from "./problem.ts";
import { checkFileQuery, checkPortToken, fileQueryOf, portTokenOf, signingKeyOf } from "./sandbox-signature.ts";

const key = signingKeyOf("dnah_sbx_one");
const now = new Date("2026-01-02T03:04:05.678Z");
const later = new Date(now.getTime() + 60_000);

test("a port token lets in at its port of its sandbox until it ends", () => {
  const token = portTokenOf(key, "abc", 8080, later);
  expect(checkPortToken(key, "abc", 8080, token, now)).toEqual(new Date("2026-01-02T03:05:05Z"));
  expect(reasonOf(() => checkPortToken(key, "abc", 8080, token, later))).toBe("LINK_EXPIRED");
});

test("a port token of another port, sandbox, key or end, and no token at all, are invalid", () => {
  const token = portTokenOf(key, "abc", 8080, later);
  const [expires, signature] = token.split(".") as [string, string];
  const tries = [
    () => checkPortToken(key, "abc", 8081, token, now),
    () => checkPortToken(key, "abd", 8080, token, now),
    () => checkPortToken(signingKeyOf("dnah_sbx_two"), "abc", 8080, token, now),
    () => checkPortToken(key, "abc", 8080, `${Number(expires) + 1}.${signature}`, now),
    () => checkPortToken(key, "abc", 8080, "", now),
    () => checkPortToken(key, "abc", 8080, "1.2.3", now),
  ];
  for (const attempt of tries) expect(reasonOf(attempt)).toBe("CREDENTIAL_INVALID");
});

test("a signed file address allows its operation on its path as its user until it ends", () => {
  const grant = { sandboxId: "abc", operation: "read", path: "/tmp/ä b&c", user: "user" } as const;
  const query = new URLSearchParams(fileQueryOf(key, grant, later).toString());
  expect(query.get("path")).toBe(grant.path);
  expect(checkFileQuery(key, grant, query, now)).toEqual(new Date("2026-01-02T03:05:05Z"));
  expect(reasonOf(() => checkFileQuery(key, grant, query, later))).toBe("LINK_EXPIRED");
  for (const other of [{ operation: "write" }, { path: "/tmp" }, { user: "root" }, { user: "" }, { sandboxId: "x" }]) {
    expect(reasonOf(() => checkFileQuery(key, { ...grant, ...other } as never, query, now))).toBe("CREDENTIAL_INVALID");
  }
});

function reasonOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return problemOf(error)?.reason;
  }
}
