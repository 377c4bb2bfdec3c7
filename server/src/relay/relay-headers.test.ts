import { expect, test } from "vitest";
import { upstreamHeaders } from "./relay-headers.ts";

test("credentials, hop-by-hop headers and forged ones stay behind; the rest passes", () => {
  const headers = upstreamHeaders({
    method: "POST",
    path: "/daytonah.v1.ProcessService/Exec",
    headers: {
      ":authority": "api",
      host: "api",
      connection: "close",
      "transfer-encoding": "chunked",
      authorization: "Bearer secret",
      "x-api-key": "secret",
      cookie: "secret",
      "sandbox-id": "forged",
      "sandbox-epoch": "99",
      "sandbox-token-generation": "99",
      "sandbox-public-port": "80",
      "x-request-id": "forged",
      te: "trailers",
      "content-type": "application/grpc",
      "grpc-timeout": "1S",
    },
    target: { sandboxId: "s1", orgId: "o", epoch: "3", hostId: "h1" },
    bearer: "b",
    requestId: "r1",
  });
  expect(headers).toMatchInlineSnapshot(`
    {
      ":authority": "h1",
      ":method": "POST",
      ":path": "/daytonah.v1.ProcessService/Exec",
      ":scheme": "https",
      "authorization": "Bearer b",
      "content-type": "application/grpc",
      "grpc-timeout": "1S",
      "sandbox-epoch": "3",
      "sandbox-id": "s1",
      "te": "trailers",
      "x-request-id": "r1",
    }
  `);
});

test("HTTP/2 refuses any other te", () => {
  const call = {
    method: "POST",
    path: "/",
    bearer: "b",
    requestId: "r",
    target: { sandboxId: "s", orgId: "o", epoch: "1", hostId: "h" },
  };
  expect(upstreamHeaders({ ...call, headers: { te: "gzip" } })).not.toHaveProperty("te");
});
