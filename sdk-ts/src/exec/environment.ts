import type { DataPlane } from "../data-plane/data-plane.ts";

/** What to change of a sandbox's environment. */
export interface EnvironmentChange {
  /** Takes out all there is first. */
  readonly replace?: boolean | undefined;
  /** Names to take out, before `set` is added. */
  readonly unset?: readonly string[] | undefined;
  /** Added; names match [A-Za-z_][A-Za-z0-9_]*, values are at most 32 KiB. */
  readonly set?: Readonly<Record<string, string>> | undefined;
}

/** Names and values. */
export type Environment = Readonly<Record<string, string>>;

export async function getEnvironment(plane: DataPlane, signal: AbortSignal | undefined): Promise<Environment> {
  const { env } = await plane.unary((way, call) => way.processes.getEnvironment({}, call), {
    signal,
    repeatable: true,
  });
  return env;
}

export async function setEnvironment(
  plane: DataPlane,
  { set = {}, unset = [], replace = false }: EnvironmentChange,
  signal: AbortSignal | undefined,
): Promise<Environment> {
  const request = { set: { ...set }, unset: [...unset], replace };
  const { env } = await plane.unary((way, call) => way.processes.setEnvironment(request, call), {
    signal,
    repeatable: true,
  });
  return env;
}
