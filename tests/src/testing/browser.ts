/** A real browser, headless, with a profile of its own. */
import { type Browser, chromium } from "playwright-core";

/** Debian's. It looks nothing up and updates nothing: the tests reach this machine alone. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox", // as root it has none
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
