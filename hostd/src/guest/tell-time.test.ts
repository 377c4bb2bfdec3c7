import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { agentPort, createAgentClient } from "./agent-client.ts";
import { tellTime } from "./tell-time.ts";
import { endFrame, responseFrame, standInAgent } from "./testing/stand-in-agent.ts";

const noon = new Date(Date.UTC(2030, 0, 1, 12));

/** Agents' uptimes are the number of pings so far, in seconds; each takes as long as is said. */
async function agentThatTakes(...trips: number[]) {
  let pings = 0;
  const agent = await standInAgent(async (_, socket) => {
    const seconds = BigInt(++pings);
    await sleep(trips.shift() ?? 0);
    socket.end(Buffer.concat([responseFrame({ event: { case: "pong", value: { uptime: { seconds } } } }), endFrame]));
  });
  return { agent, client: createAgentClient({ path: agent.path, port: agentPort }), pings: () => pings };
}

test("a guest that answers late is asked again: the time goes with the uptime of the quickest answer", async () => {
  const { agent, client } = await agentThatTakes(400, 300, 0);
  await using _ = agent;
  const { wallClock, asOf } = await tellTime(client, () => noon, { signal: AbortSignal.timeout(10_000) });
  expect(asOf).toMatchObject({ seconds: 3n });
  expect(wallClock.seconds).toBe(timestampFromMs(noon.getTime()).seconds);
  expect(wallClock.nanos).toBeLessThan(150e6); // half of a trip that took less than the others
});

test("one that always answers late is told after five answers", async () => {
  const { agent, client, pings } = await agentThatTakes(90, 40, 120, 90, 90);
  await using _ = agent;
  const { asOf } = await tellTime(client, () => noon, { signal: AbortSignal.timeout(10_000) });
  expect(pings()).toBe(5);
  expect(asOf?.seconds).toBeGreaterThan(0n);
});
