/** 200 restores for every change: see testing/restore-soak.ts. `npm run test:long` does 10,000. */
import { restoreSoakTest } from "./testing/restore-soak-test.ts";

restoreSoakTest(200);
