/** Times that a guest tells, where protobuf's JSON has room for them: else a client's answer could not be written. */
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

const [firstSecond, lastSecond] = [-62_135_596_800n, 253_402_300_799n];
const longestSeconds = 315_576_000_000n;

/** As a field of a message under construction: empty where the time can't be told. */
export function timeField<K extends string>(name: K, time: Timestamp | undefined) {
  const fits = time && time.seconds >= firstSecond && time.seconds <= lastSecond && isNanos(time.nanos);
  return (fits ? { [name]: plain(time) } : {}) as { [key in K]?: Plain };
}

export function durationField<K extends string>(name: K, duration: Duration | undefined) {
  const fits = duration && duration.seconds >= 0n && duration.seconds <= longestSeconds && isNanos(duration.nanos);
  return (fits ? { [name]: plain(duration) } : {}) as { [key in K]?: Plain };
}

interface Plain {
  readonly seconds: bigint;
  readonly nanos: number;
}

const plain = ({ seconds, nanos }: Plain): Plain => ({ seconds, nanos });
const isNanos = (nanos: number) => nanos >= 0 && nanos < 1_000_000_000;
