/** A request's body as it comes. It may end anywhere: the answer still goes out. */
import { wasReset } from "@daytonah/lib/edge/join-streams.ts";
import type { NodeRequest } from "@daytonah/lib/node-http.ts";

/** A client that vanished sends nothing, for ever. */
const stallMs = 120_000;

export async function* rawBody(request: NodeRequest): AsyncGenerator<Uint8Array> {
  const stalled = () => request.destroy(new Error(`nothing came for ${stallMs} ms`));
  // Left early, a plain `for await` destroys the request, and with it the connection that the answer needs.
  const chunks = request.iterator({ destroyOnReturn: false });
  for (;;) {
    const timer = setTimeout(stalled, stallMs);
    const next = await chunks.next().finally(() => clearTimeout(timer));
    if (next.done) break;
    yield next.value as Uint8Array;
  }
  // An HTTP/2 request says that it is complete even then.
  const broken = "stream" in request ? wasReset(request.stream) : !request.complete;
  if (broken) throw new Error("the request broke off");
}
