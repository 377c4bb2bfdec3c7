/**
 * What a message costs to decode. An empty message in a list takes two bytes of the sender and microseconds of ours, so a few
 * MiB of them hold the whole process up for many seconds: what comes from a stranger is counted first, which is fast.
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** About how many times as long as a number, a text or bytes they take. */
const messageCost = 16;
const mapEntryCost = 4;

const fieldsOf = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

/** Whether decoding costs as much as that of more than `most` plain fields. Throws where the bytes are no message. */
export function costsMoreThan(most: number, schema: DescMessage, bytes: Uint8Array): boolean {
  let cost = 0;
  const add = (desc: DescMessage, message: Uint8Array): void => {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len && cost <= most) {
      const [number, wireType] = reader.tag();
      const inner = wireType === WireType.LengthDelimited ? fieldIn(desc, number) : undefined;
      cost += inner?.fieldKind === "map" ? mapEntryCost : inner?.message ? messageCost : 1;
      if (inner?.message && inner.fieldKind !== "map") add(inner.message, reader.bytes());
      else reader.skip(wireType, number);
    }
  };
  add(schema, bytes);
  return cost > most;
}

function fieldIn(desc: DescMessage, number: number): DescField | undefined {
  let fields = fieldsOf.get(desc);
  if (!fields) {
    fields = new Map(desc.fields.map((field) => [field.number, field]));
    fieldsOf.set(desc, fields);
  }
  return fields.get(number);
}
