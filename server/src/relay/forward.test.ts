import http2 from "node:http2";
import { listening } from "@daytonah/lib/edge/testing/one-edge.ts";
import { answeringHeaders } from "@daytonah/lib/edge/testing/raw-http2.ts";
import { expect, test } from "vitest";
import { forward } from "./forward.ts";

test("a host that answers with a status that there is not is one that did not answer", async () => {
  await using host = await listening(answeringHeaders({ ":status": "999" }));
  const session = http2.connect(`http://127.0.0.1:${host.port}`);
  const call = {
    ...{ method: "POST", path: "/", headers: {}, bearer: "", requestId: "r" },
    target: { sandboxId: "sbx1", orgId: "o", epoch: "1", hostId: "h1" },
  };
  const outcome = Promise.withResolvers<string>();
  await using relay = await listening(
    http2.createServer((request, response) => {
      const fail = ({ reason }: { readonly reason: string }) => response.end(reason);
      forward({ call, request, response, session, maxBodyBytes: 10, fail }).then(outcome.resolve, outcome.reject);
    }),
  );
  const client = http2.connect(`http://127.0.0.1:${relay.port}`);
  let answer = "";
  for await (const chunk of client.request({ ":path": "/" })) answer += String(chunk);
  expect([answer, await outcome.promise]).toEqual(["HOST_UNAVAILABLE", "host_gone"]);
  client.destroy();
  session.destroy();
});
