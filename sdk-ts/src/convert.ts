/** From generated messages to the plain shapes that this package shows. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";

type EnumObject = Readonly<Record<string, number>>;

/** The name of an enum's value; undefined for one that is newer than this package. */
export function nameOf<E extends EnumObject>(values: E, value: number): (keyof E & string) | undefined {
  return Object.keys(values).find((name) => values[name] === value);
}

/** An enum's value in small letters, "unknown" where this package is older than the value. */
export function lowerNameOf<E extends EnumObject>(values: E, value: number): LowerName<E> {
  return (nameOf(values, value)?.toLowerCase().replace("unspecified", "unknown") ?? "unknown") as LowerName<E>;
}

export type LowerName<E extends EnumObject> = Lowercase<Exclude<keyof E & string, "UNSPECIFIED">> | "unknown";

export function dateOf(time: Timestamp | undefined): Date {
  return time ? timestampDate(time) : new Date(0);
}

/** Without the members that are undefined: the generated types tell an absent member from an undefined one. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
