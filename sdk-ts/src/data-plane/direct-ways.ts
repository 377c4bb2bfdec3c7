/** The hosts' edges that this client heard of, and which of them answer from where it runs. */
import type { DataWay } from "./data-way.ts";

/** An edge on the same network answers in a few ms; one that needs longer is no gain. */
const probeTimeoutMs = 1_000;
/** How long an edge that did not answer is left alone. */
const restMs = 30_000;

interface Edge {
  readonly way: DataWay;
  /** The last look at it: true where it answered. */
  probe: Promise<boolean>;
  /** What is known now; undefined while the first look is under way. */
  answers: boolean | undefined;
  /** When it was found not to answer, milliseconds of `performance.now()`. */
  silentSince: number;
}

export class DirectWays {
  readonly #createWay: (url: string) => DataWay;
  readonly #edges = new Map<string, Edge>();

  constructor(createWay: (url: string) => DataWay) {
    this.#createWay = createWay;
  }

  /** The way by the edge at `url` where it is known to answer. Never waits: the first asking starts a look at it. */
  usable(url: string): DataWay | undefined {
    const edge = this.#edge(url);
    return edge.answers ? edge.way : undefined;
  }

  /** The same once it is known, at most a second later. An edge that was silent before is looked at again. */
  async awaited(url: string): Promise<DataWay | undefined> {
    const edge = this.#edge(url);
    if (edge.answers === false) look(edge);
    return (await edge.probe) ? edge.way : undefined;
  }

  /** True where `way` is one of these. */
  includes(way: DataWay): boolean {
    return this.#edges.get(way.url)?.way === way;
  }

  /** A call found that it can't be reached. */
  failed(way: DataWay): void {
    const edge = this.#edges.get(way.url);
    if (edge) markSilent(edge);
  }

  #edge(url: string): Edge {
    const known = this.#edges.get(url);
    if (known) {
      if (known.answers === false && performance.now() - known.silentSince > restMs) look(known);
      return known;
    }
    const edge: Edge = { way: this.#createWay(url), probe: Promise.resolve(false), answers: undefined, silentSince: 0 };
    this.#edges.set(url, edge);
    look(edge);
    return edge;
  }
}

function look(edge: Edge): void {
  edge.answers = undefined;
  edge.probe = answersAt(edge.way.url).then((answers) => {
    if (answers) edge.answers = true;
    else markSilent(edge);
    return answers;
  });
}

function markSilent(edge: Edge): void {
  edge.answers = false;
  edge.probe = Promise.resolve(false);
  edge.silentSince = performance.now();
}

/** Pages may be kept from it: by mixed content, or by a network of its own. That is silence too. */
async function answersAt(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/healthz`, {
      signal: AbortSignal.timeout(probeTimeoutMs),
      credentials: "omit",
      redirect: "error",
    });
    const said: unknown = await answer.json();
    return answer.ok && typeof said === "object" && said !== null && "alive" in said && said.alive === true;
  } catch {
    return false;
  }
}
