import type { ChSubject } from "./harness.ts";
import { realBinary, realSubject } from "./real-subject.ts";
import { standIn } from "./stand-in-subject.ts";

/** What the suite runs against: the binary that CLOUD_HYPERVISOR names, or the stand-in. The name says which. */
export function subject(): { readonly name: string; readonly prepare: (root: string) => Promise<ChSubject> } {
  const real = realBinary();
  return real === undefined
    ? { name: "stand-in for cloud-hypervisor, no VM runs", prepare: standIn() }
    : { name: `real ${real.version}`, prepare: realSubject };
}
