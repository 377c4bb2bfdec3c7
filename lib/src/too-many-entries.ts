/**
 * Lists and maps that have more entries than their rules in the protos allow. The validator says so, too, but looks at each
 * entry first: that takes seconds for what fits into one body.
 */
import { type DescMessage, getOption, type Message } from "@bufbuild/protobuf";
import { field as fieldRules } from "@daytonah/gen/buf/validate/validate_pb.ts";
import type { ProblemOptions } from "./problem.ts";

type Violation = NonNullable<ProblemOptions["violations"]>[number];

interface Bounded {
  readonly name: string;
  readonly most: number;
  readonly rule: string;
  count(message: Message): number;
}

interface Nested {
  readonly name: string;
  readonly schema: DescMessage;
  get(message: Message): Message | undefined;
}

interface Plan {
  readonly bounded: readonly Bounded[];
  readonly nested: readonly Nested[];
}

const plans = new WeakMap<DescMessage, Plan>();

/** Also in the messages that it has; not in those of its lists. */
export function tooManyEntries(schema: DescMessage, message: Message, path = ""): Violation[] {
  const { bounded, nested } = planOf(schema);
  const own = bounded
    .filter(({ most, count }) => count(message) > most)
    .map(({ name, most, rule }) => ({ field: path + name, rule, message: `must have at most ${most} entries` }));
  const inner = nested.flatMap(({ name, schema: innerSchema, get }) => {
    const value = get(message);
    return value ? tooManyEntries(innerSchema, value, `${path}${name}.`) : [];
  });
  return [...own, ...inner];
}

function planOf(schema: DescMessage): Plan {
  const known = plans.get(schema);
  if (known) return known;
  const bounded: Bounded[] = [];
  const nested: Nested[] = [];
  for (const field of schema.fields) {
    const { name, localName, oneof } = field;
    const get = (message: Message): unknown => {
      const values = message as unknown as Record<string, unknown>;
      if (!oneof) return values[localName];
      const chosen = values[oneof.localName] as { readonly case?: string; readonly value?: unknown };
      return chosen.case === localName ? chosen.value : undefined;
    };
    const { type } = getOption(field, fieldRules);
    if (field.fieldKind === "message") {
      nested.push({ name, schema: field.message, get: (message) => get(message) as Message | undefined });
    } else if (field.fieldKind === "list" && type.case === "repeated" && type.value.maxItems > 0n) {
      const count = (message: Message) => (get(message) as readonly unknown[]).length;
      bounded.push({ name, most: Number(type.value.maxItems), rule: "repeated.max_items", count });
    } else if (field.fieldKind === "map" && type.case === "map" && type.value.maxPairs > 0n) {
      const count = (message: Message) => Object.keys(get(message) as object).length;
      bounded.push({ name, most: Number(type.value.maxPairs), rule: "map.max_pairs", count });
    }
  }
  const plan = { bounded, nested };
  plans.set(schema, plan);
  return plan;
}
