/** Files over plain HTTP before one VM: at the edge by HTTP/1.1, and at the daemon's port by HTTP/2, as they are relayed. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { servedVm } from "../../api/testing/served-vm.ts";
import { openEdge } from "../../edge/testing/open-edge.ts";
import { realAgent } from "../../guest/testing/real-agent.ts";
import { makePki } from "../../testing/pki.ts";
import { type Ask, askHttp1, askHttp2, type Question } from "./ask.ts";

export const ways = ["the edge, HTTP/1.1", "the daemon's port, HTTP/2"] as const;

export interface FilesOfOneVm extends AsyncDisposable {
  /** A folder of the agent, which is a process of this host. */
  readonly dir: string;
  /** Asks for a path in `dir`, or for what `query` says beside it. */
  ask(method: string, name: string, question?: Question & { query?: string; resource?: string }): ReturnType<Ask>;
  readonly connections: { readonly open: number };
  readonly breakAgent: () => void;
}

export async function filesOfOneVm(way: (typeof ways)[number], vsockPath?: string): Promise<FilesOfOneVm> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "dnah-http-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const agent = stack.use(await realAgent());
  const { ask, sandboxId } =
    way === "the edge, HTTP/1.1"
      ? await atEdge(stack, vsockPath ?? agent.path)
      : await atDaemon(stack, dir, vsockPath ?? agent.path);
  const owned = stack.move();
  return {
    dir,
    connections: agent.front.connections,
    breakAgent: () => agent.front.breakAll(),
    ask(method, name, { query = "", resource = "files", ...question } = {}) {
      const path = name === "" ? "" : `path=${encodeURIComponent(join(dir, name))}`;
      return ask(method, `/v1/sandboxes/${sandboxId}/${resource}?${path}${query}`, question);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function atEdge(stack: AsyncDisposableStack, vsockPath: string) {
  const edge = stack.use(await openEdge(vsockPath));
  const plain = askHttp1(edge.url);
  const ask: Ask = (method, path, question) =>
    plain(method, path, { ...question, headers: { authorization: "Bearer token-1", ...question?.headers } });
  return { ask, sandboxId: edge.sandboxId };
}

async function atDaemon(stack: AsyncDisposableStack, dir: string, vsockPath: string) {
  const pki = makePki(join(dir, "pki"));
  const served = stack.use(await servedVm(pki, vsockPath));
  const session = http2.connect(served.url, { ca: pki.ca, ...pki.server });
  stack.defer(() => session.destroy());
  await once(session, "connect");
  return {
    ask: askHttp2(session, { authorization: `Bearer ${pki.bearer}`, ...served.headers }),
    sandboxId: served.headers["sandbox-id"],
  };
}
