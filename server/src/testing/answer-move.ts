/** /v1/moves of a host's daemon for tests, from a FakeHost. */
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { pipeline } from "node:stream/promises";
import { answerProblem } from "@daytonah/lib/answer-problem.ts";
import { readMoveAddress } from "@daytonah/lib/move-address.ts";
import { problem } from "@daytonah/lib/problem.ts";
import type { FakeHost } from "../hosts/fake-host.ts";

export async function answerMove(
  host: FakeHost,
  bearer: string,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  try {
    const address = readMoveAddress(request.url);
    if (!address) throw problem("UNKNOWN_CALL", "No such address.");
    const { id, epoch } = address;
    const copy = epoch === undefined ? { snapshotId: id } : { sandboxId: id, epoch };
    if (request.headers.authorization !== `Bearer ${bearer}`) throw problem("CREDENTIAL_INVALID", "No such bearer.");
    if (request.method === "PUT") await host.writeCopy(copy, request, {});
    else {
      const bytes = await host.readCopy(copy, {});
      response.writeHead(200, { "content-type": "application/x-tar" });
      await pipeline(bytes, response);
    }
    response.end();
  } catch (error) {
    if (response.headersSent || response.stream.destroyed) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else answerProblem(response, error, { requestId: "" });
  }
}
