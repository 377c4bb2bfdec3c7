/** As robust.vm.test.ts, in full size. */
import { robustSuite } from "./testing/robust.ts";

robustSuite({ execsAtOnce: 200, slowBytes: 1024 * 1024 * 1024 });
