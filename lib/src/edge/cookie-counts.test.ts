import { describe, expect, test } from "vitest";
import { cookieCounts, type Provenance } from "./cookie-counts.ts";

const host = { port: 3000, sandboxId: "sbx1", domain: "example.net" };
const nothing: Provenance = {
  ...{ origin: undefined, referer: undefined },
  ...{ site: undefined, mode: undefined, destination: undefined },
};
const counts = (told: Partial<Provenance>, secure = true) => cookieCounts(host, secure, { ...nothing, ...told });

const sibling = "https://3000-sbx2.example.net";
const own = "https://8000-sbx1.example.net";

describe("a cookie counts", () => {
  test.each<[string, Partial<Provenance>]>([
    ["for a program, which says nothing", {}],
    ["on the page's own calls", { site: "same-origin" }],
    ["on the page's own forms, also where it hides its address", { site: "same-origin", origin: "null" }],
    ["where the visitor typed the address", { site: "none", mode: "navigate", destination: "document" }],
    ["where he follows a link", { site: "cross-site", mode: "navigate", destination: "document" }],
    ["where he follows another sandbox's link", { site: "same-site", mode: "navigate", destination: "document" }],
    ["on calls of another port of the sandbox", { site: "same-site", origin: own }],
    ["on its images", { site: "same-site", mode: "no-cors", destination: "image", referer: `${own}/` }],
    ["on its WebSockets, of a browser that says no more", { origin: own }],
  ])("%s", (_, told) => {
    expect(counts(told)).toBe(true);
  });

  test("by an http origin where we were not told of TLS", () => {
    expect(counts({ origin: "http://8000-sbx1.example.net:3000" }, false)).toBe(true);
    expect(counts({ origin: own }, false)).toBe(true);
  });
});

describe("a cookie does not count", () => {
  test.each<[string, Partial<Provenance>]>([
    ["on calls of another sandbox's page", { site: "same-site", mode: "cors", origin: sibling }],
    ["on its WebSockets, of a browser that says no more", { origin: sibling }],
    ["on its forms", { site: "same-site", mode: "navigate", destination: "document", origin: sibling }],
    ["on its GETs without CORS", { site: "same-site", mode: "no-cors", destination: "empty", referer: `${sibling}/` }],
    ["on its images, also where it hides its address", { site: "same-site", mode: "no-cors", destination: "image" }],
    ["in its frames", { site: "same-site", mode: "navigate", destination: "iframe", referer: `${sibling}/` }],
    ["in other sites' objects", { site: "cross-site", mode: "navigate", destination: "object" }],
    ["for a page without an origin", { origin: "null" }],
    ["for the sandbox's name under another domain", { origin: "https://8000-sbx1.example.org" }],
    ["for a name that only begins so", { origin: "https://8000-sbx1.example.net.example.org" }],
    ["for a page that somebody on the network can change", { origin: "http://8000-sbx1.example.net" }],
    ["for what is no origin", { origin: "8000-sbx1.example.net" }],
  ])("%s", (_, told) => {
    expect(counts(told)).toBe(false);
  });
});
