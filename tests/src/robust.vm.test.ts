/** What programs do to a sandbox, and clients to its streams: it answers, typed, and goes on. Sizes for every day. */
import { robustSuite } from "./testing/robust.ts";

robustSuite({ execsAtOnce: 40, slowBytes: 48 * 1024 * 1024 });
