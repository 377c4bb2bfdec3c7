/**
 * Whether a visitor's cookie speaks for him. SameSite keeps it from other sites, but previews of all sandboxes are one site:
 * what a page of another sandbox has a browser send must not count. Ports of one sandbox may call each other.
 */
import { type PreviewHost, previewHostOf } from "./preview-host.ts";

/** What a browser tells of where a request comes from. No page can make it say something else. */
export interface Provenance {
  readonly origin: string | undefined;
  readonly referer: string | undefined;
  /** `Sec-Fetch-Site`, -Mode and -Dest: from all browsers since 2023, over TLS and to this machine. */
  readonly site: string | undefined;
  readonly mode: string | undefined;
  readonly destination: string | undefined;
}

export function cookieCounts(host: PreviewHost, secure: boolean, provenance: Provenance): boolean {
  const { origin, referer, site, mode, destination } = provenance;
  if (site === "same-origin" || site === "none") return true;
  if (origin !== undefined) return isOfSandbox(origin, host, secure);
  if (site === undefined) return true; // a program; or a browser over plain HTTP, whose cookie anybody can read anyway
  // A link, as from any other site. Not a frame: the page around it would have the visitor click on what he does not see.
  if (mode === "navigate" && destination === "document") return true;
  return isOfSandbox(referer, host, secure); // an image, say
}

function isOfSandbox(url: string | undefined, { sandboxId, domain }: PreviewHost, secure: boolean): boolean {
  if (url === undefined || !URL.canParse(url)) return false;
  const { protocol, host } = new URL(url);
  const from = previewHostOf(host);
  // Where we were not told of TLS, it may still be there, at a proxy on another machine.
  return from?.sandboxId === sandboxId && from.domain === domain && (!secure || protocol === "https:");
}
