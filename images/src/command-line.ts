import { type ParseArgsConfig, parseArgs } from "node:util";
import { BuildError } from "./build-error.ts";

/** Node's parseArgs, with a mistyped option told as one sentence instead of a stack trace. */
export function parseCommandLine<const T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (cause) {
    throw new BuildError(`${(cause as Error).message.split(". ")[0]}: see --help`, { cause });
  }
}
