/** Creates, first execs and deletes, one after the other. */
import { Sandbox } from "daytonah";
import { timed } from "./timing.ts";

export async function measureCreates(count: number) {
  const [creates, firstExecs, deletes] = [[] as number[], [] as number[], [] as number[]];
  const stages = new Map<string, number[]>();
  for (let n = 0; n < count; n += 1) {
    const [sandbox, createMs] = await timed(() => Sandbox.create());
    creates.push(createMs);
    for (const { stage, ms } of sandbox.stages) stages.set(stage, [...(stages.get(stage) ?? []), ms]);
    firstExecs.push((await timed(() => sandbox.exec(["/bin/true"], { check: true })))[1]);
    deletes.push((await timed(() => sandbox.kill()))[1]);
  }
  return { creates, firstExecs, deletes, stages };
}
