import { expect, test } from "vitest";
import { cookieOf, setsOurCookie, takeCookieTokens, takeQueryTokens } from "./port-token.ts";

test.each([
  ["/", [], "/"],
  ["/?dnah_token=t", ["t"], "/"],
  ["/a?x=1&dnah_token=t&y=%20&z", ["t"], "/a?x=1&y=%20&z"],
  ["/a?dnah%5Ftoken=t%2e1&dnah_token=u", ["t.1", "u"], "/a"],
  ["/a?xdnah_token=t&x=dnah_token=1", [], "/a?xdnah_token=t&x=dnah_token=1"],
  ["/dnah_token=t", [], "/dnah_token=t"],
])("the tokens in %s are taken out of it, and the rest stays as it was", (url, tokens, rest) => {
  expect(takeQueryTokens(url)).toEqual({ tokens, url: rest });
});

test("our cookies are taken out, and only the one for this kind of connection counts", () => {
  const header = "a=1; __Host-dnah-port=s; b=2; dnah-port=p; dnah-port2=3";
  expect(takeCookieTokens(header, true)).toEqual({ tokens: ["s"], cookie: "a=1; b=2; dnah-port2=3" });
  expect(takeCookieTokens(header, false)).toEqual({ tokens: ["p"], cookie: "a=1; b=2; dnah-port2=3" });
  expect(takeCookieTokens("dnah-port=p", true)).toEqual({ tokens: [], cookie: undefined });
  expect(takeCookieTokens(undefined, true)).toEqual({ tokens: [], cookie: undefined });
});

test("the cookie is for this host, this program and this time alone", () => {
  expect(cookieOf("1.x", 60, true)).toBe("__Host-dnah-port=1.x; Secure; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
  expect(cookieOf("1.x", 60, false)).toBe("dnah-port=1.x; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
});

test.each(["__Host-dnah-port=x", "dnah-port=x; Path=/", " =dnah-port=x", "__HOST-DNAH-PORT", "dnah-port ; Secure"])(
  "a guest can't set %s",
  (line) => expect(setsOurCookie(line)).toBe(true),
);

test.each(["session=1", "x-dnah-port=1", "dnah-ports=1", "a=dnah-port=1"])("a guest can set %s", (line) =>
  expect(setsOurCookie(line)).toBe(false),
);
