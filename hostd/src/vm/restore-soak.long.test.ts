/** As restore-soak.vm.test.ts, 10,000 times. */
import { restoreSoakTest } from "./testing/restore-soak-test.ts";

restoreSoakTest(10_000);
