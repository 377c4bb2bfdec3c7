/** The control plane: configuration from the environment, SIGTERM ends it in order. */
import { createLogger } from "@daytonah/lib/log.ts";
import { type Config, readConfig } from "./config.ts";
import { startServer } from "./start-server.ts";
import { systemClock } from "./system-clock.ts";

const graceMs = 10_000;
/** Hosts that are up answer at once; the platform is up without them, too. */
const hostsMs = 3_000;

function configOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(2);
  }
}

const config = configOrExit();
const log = createLogger("server", config.logLevel);

async function main(): Promise<void> {
  const stopped = Promise.withResolvers<string>();
  process.on("SIGTERM", stopped.resolve);
  process.on("SIGINT", stopped.resolve);
  await using server = await startServer({ config, clock: systemClock, log, graceMs });
  log.info("server.listening", { url: server.url });
  const ready = server.prepared.then(async () => {
    const patience = Date.now() + hostsMs;
    const waiting = () => [...server.statuses.values()].some(({ connected }) => !connected) && Date.now() < patience;
    while (waiting()) await systemClock.sleep(20, {});
    process.stdout.write(`ready ${server.url}\n`);
  });
  const signal = await Promise.race([stopped.promise, ready.then(() => stopped.promise)]);
  log.info("server.stopping", { signal });
}

try {
  await main();
  process.exit(0);
} catch (error) {
  log.error("server.failed", { error });
  process.exitCode = 1;
  setTimeout(() => process.exit(1), 500); // the log is written meanwhile
}
