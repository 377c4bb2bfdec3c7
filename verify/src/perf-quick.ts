/**
 * Prints each path of the platform beside its floor, from one run: what the platform adds is ours, the floor is the VMM's, the
 * guest's, the database's and the kernel's. Ends with 1 where the platform did not keep a promise.
 */
import { createBench } from "./bench.ts";
import { Interruption, interruption, watchInterrupts } from "./interruption.ts";
import { readOptions } from "./options.ts";
import { jsonOf, type Table, textOf } from "./report.ts";
import { sectionsNamed } from "./sections.ts";

const options = readOptions(process.argv.slice(2));
const bench = createBench(options);
const tables: Table[] = [];
watchInterrupts();
try {
  for (const section of sectionsNamed(options.sections)) {
    bench.progress(section.name);
    const measured = await section.run(bench);
    tables.push(...measured);
    if (!options.json) console.log(`${textOf(measured)}\n`);
    interruption.throwIfAborted();
  }
} catch (error) {
  if (error instanceof Interruption) process.exit(error.exitCode);
  throw error;
}
if (options.json) console.log(jsonOf(tables));
for (const violation of bench.violations) console.error(`not as promised: ${violation}`);
process.exit(bench.violations.length === 0 ? 0 : 1);
