/** Structured logs: an event's name, then its facts. `log.info("vm.started", { vm, ms })`. */
import { type Logger as Pino, pino } from "pino";

export interface Logger {
  error(event: string, facts?: LogFacts): void;
  warn(event: string, facts?: LogFacts): void;
  info(event: string, facts?: LogFacts): void;
  debug(event: string, facts?: LogFacts): void;
  child(facts: LogFacts): Logger;
}

/** Never secrets, environment values or users' bytes. */
export type LogFacts = Readonly<Record<string, unknown>>;

export type LogLevel = "error" | "warn" | "info" | "debug" | "silent";

/** Writes JSON lines to standard error, so that standard output stays free for what a program answers. */
export function createLogger(component: string, level: LogLevel): Logger {
  return wrap(
    pino(
      { level, base: { component }, timestamp: pino.stdTimeFunctions.isoTime, serializers: { error: errorFacts } },
      pino.destination({ dest: 2, sync: false }),
    ),
  );
}

export const silentLogger: Logger = wrap(pino({ level: "silent" }));

function wrap(logger: Pino): Logger {
  return {
    error: (event, facts) => logger.error({ event, ...facts }),
    warn: (event, facts) => logger.warn({ event, ...facts }),
    info: (event, facts) => logger.info({ event, ...facts }),
    debug: (event, facts) => logger.debug({ event, ...facts }),
    child: (facts) => wrap(logger.child(facts)),
  };
}

/** An error with its chain of causes, outermost first. */
function errorFacts(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...("reason" in error ? { reason: error.reason } : {}),
    ...(error.cause === undefined ? {} : { cause: errorFacts(error.cause) }),
  };
}
