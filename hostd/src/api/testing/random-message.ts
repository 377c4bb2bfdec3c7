/** Messages with every field set to something, often to the ends of what it can be; and bytes with something wrong in them. */
import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Random } from "../../testing/random.ts";

/** Deeper than any message that is meant. */
const maxDepth = 4;

const texts = ["", "a", "/a/b", "/a/../b", "..", "p-1", "a\0b", "\u{1f600}", "x".repeat(5000), "::1", "info"];
const numbers = [
  0n,
  1n,
  7n,
  255n,
  4096n,
  2n ** 31n - 1n,
  2n ** 32n - 1n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
];

export function randomMessage(schema: DescMessage, random: Random): Message {
  return fill(reflect(schema), random, 0).message;
}

function fill(message: ReflectMessage, random: Random, depth: number): ReflectMessage {
  for (const field of message.fields) {
    const chosen = !field.oneof || field.oneof.fields[random(field.oneof.fields.length)] === field;
    if (chosen && random(8) > 0) fillField(message, field, random, depth);
  }
  return message;
}

function fillField(message: ReflectMessage, field: DescField, random: Random, depth: number): void {
  const nested = (schema: DescMessage) => fill(reflect(schema), random, depth + 1);
  const few = Array.from({ length: random(4) });
  switch (field.fieldKind) {
    case "scalar":
      message.set(field, scalar(field.scalar, random));
      return;
    case "enum":
      message.set(field, random(12));
      return;
    case "message":
      if (depth < maxDepth) message.set(field, nested(field.message));
      return;
    case "list":
      for (const _ of few) {
        const list = message.get(field);
        if (field.listKind === "scalar") list.add(scalar(field.scalar, random));
        else if (field.listKind === "enum") list.add(random(12));
        else if (depth < maxDepth) list.add(nested(field.message));
      }
      return;
    case "map":
      for (const _ of few) {
        if (field.mapKind !== "scalar") throw new Error(`no random values for ${field}`);
        message.get(field).set(scalar(field.mapKey, random) as string, scalar(field.scalar, random));
      }
      return;
  }
}

function scalar(type: ScalarType, random: Random) {
  const number = numbers[random(numbers.length)] as bigint;
  switch (type) {
    case ScalarType.STRING:
      return texts[random(texts.length)] as string;
    case ScalarType.BYTES:
      return new Uint8Array(random(300)).fill(random(256));
    case ScalarType.BOOL:
      return random(2) === 1;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return random(1000) / 7;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return number;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return BigInt.asIntN(64, random(2) === 1 ? number : -number);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number(BigInt.asUintN(32, number));
    default:
      return Number(BigInt.asIntN(32, number));
  }
}

/** A few things go wrong with the bytes: flips, holes, repeats, pieces of others. */
export function mutated(bytes: Uint8Array, others: readonly Uint8Array[], random: Random): Uint8Array {
  let now = Buffer.from(bytes);
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(now.length + 1);
    const until = at + random(1 + Math.min(now.length - at, 40));
    const other = others[random(others.length)] ?? bytes;
    const piece = other.subarray(random(other.length + 1)).subarray(0, random(60));
    const [head, middle, tail] = [now.subarray(0, at), now.subarray(at, until), now.subarray(until)];
    switch (random(6)) {
      case 0:
        if (at < now.length) now[at] = (now[at] as number) ^ (1 << random(8));
        break;
      case 1:
        now = Buffer.concat([head, tail]);
        break;
      case 2:
        now = Buffer.concat([head, middle, middle, tail]);
        break;
      case 3:
        now = Buffer.concat([head, piece, tail]);
        break;
      case 4:
        now = Buffer.concat([head, Buffer.alloc(1 + random(11), [0, 0x7f, 0x80, 0xff][random(4)]), tail]);
        break;
      default:
        now = Buffer.from(head);
    }
  }
  return now;
}
