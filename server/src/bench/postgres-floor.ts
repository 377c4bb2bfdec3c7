/**
 * What no call of the control plane can beat that writes something down: `commit`, one statement with a commit that waits for the
 * disk, and `query`, one that writes nothing. Prints one JSON document, ms. `verify/perf-quick.sh` sets it beside the platform's
 * own figures.
 */
import { parseArgs } from "node:util";
import pg from "pg";

const { values } = parseArgs({
  options: { "database-url": { type: "string" }, count: { type: "string", default: "100" } },
});
const url = values["database-url"];
if (url === undefined) throw new Error("--database-url is missing");
const client = new pg.Client(url);
await client.connect();
try {
  const query = await repeat("select 1");
  // A record of the log that nobody reads: no table is needed, and its commit is like any other.
  const commit = await repeat("select pg_logical_emit_message(true, 'floor', 'x')");
  console.log(JSON.stringify({ query, commit }));
} finally {
  await client.end();
}

async function repeat(sql: string): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < Number(values.count); n += 1) {
    const began = performance.now();
    await client.query(sql);
    times.push(performance.now() - began);
  }
  return times;
}
