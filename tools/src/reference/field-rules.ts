/** A field's protovalidate rules in words. */
import { type DescField, getOption, hasOption } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import {
  FieldRulesSchema,
  field as fieldOption,
  Ignore,
  oneof as oneofOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** By the rule's name in `buf/validate/validate.proto`. A rule that is not here is shown as it is. */
const phrases: Readonly<Record<string, (value: unknown) => string>> = {
  required: () => "required",
  gte: (value) => `at least ${value}`,
  lte: (value) => `at most ${value}`,
  len: (value) => `${value} long`,
  min_len: (value) => `at least ${value} long`,
  max_len: (value) => `at most ${value} long`,
  max_bytes: (value) => `at most ${value} bytes`,
  min_items: (value) => `at least ${value}`,
  max_items: (value) => `at most ${value}`,
  max_pairs: (value) => `at most ${value}`,
  pattern: (value) => `matches \`${value}\``,
  defined_only: () => "a known value",
  unique: () => "none twice",
  in: (value) => `one of ${value}`,
  not_in: (value) => `not ${value}`,
  ignore: (value) => (value === Ignore.IF_ZERO_VALUE ? "or absent" : ""),
};

const prefixes: Readonly<Record<string, string>> = { items: "each: ", keys: "keys: ", values: "values: " };

/** Empty where there are none. */
export function rulesOf(field: DescField): string {
  const words = hasOption(field, fieldOption) ? wordsOf(reflect(FieldRulesSchema, getOption(field, fieldOption))) : [];
  const { oneof } = field;
  if (oneof && hasOption(oneof, oneofOption) && getOption(oneof, oneofOption).required) words.push("one is required");
  return words.join("; ");
}

function wordsOf(rules: ReflectMessage): string[] {
  return rules.sortedFields
    .filter((field) => rules.isSet(field))
    .flatMap((field) => {
      const phrase = phrases[field.name] ?? ((value: unknown) => `${field.name}: ${value}`);
      if (field.fieldKind === "list") return [phrase([...rules.get(field)].join(", "))];
      if (field.fieldKind !== "message") return [phrase(rules.get(field))].filter((words) => words !== "");
      const inner = rules.get(field);
      if (field.message.typeName === "google.protobuf.Duration")
        return [phrase(durationText(inner.message as Duration))];
      const words = wordsOf(inner);
      const prefix = prefixes[field.name];
      return prefix && words.length > 0 ? [`${prefix}${words.join(", ")}`] : words;
    });
}

function durationText(duration: Duration): string {
  const ms = durationMs(duration);
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
}
