/** `node main.ts --data-dir D --user U`: runs a private PostgreSQL until SIGTERM; says `ready <url>` once it answers. */
import { parseArgs } from "node:util";
import { startPrivatePostgres } from "./private-postgres.ts";

const { values } = parseArgs({
  options: { "data-dir": { type: "string" }, user: { type: "string", default: "postgres" } },
});
if (values["data-dir"] === undefined) {
  process.stderr.write("usage: node main.ts --data-dir DIRECTORY [--user ACCOUNT]\n");
  process.exit(2);
}

try {
  let stopping = false;
  let stop = () => process.exit(0);
  const onSignal = () => {
    stopping = true;
    stop();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const postgres = await startPrivatePostgres({ dataDir: values["data-dir"], user: values.user });
  // SIGINT from a terminal reaches postgres too; a second one changes nothing.
  stop = () => void postgres.stop() as never;
  process.stdout.write(`ready ${postgres.url}\n`);
  const ending = await postgres.ended;
  if (!stopping) process.stderr.write(`postgres ended with ${ending}\n`);
  process.exit(stopping ? 0 : 1);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
