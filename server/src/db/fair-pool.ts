/**
 * A pool of connections of which no organization has more than its share: where one's statements wait for a row that it has
 * locked itself, say, the others' do not wait behind them.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import pg from "pg";
import { databaseUnavailable } from "./database-problem.ts";
import { createLines } from "./lines.ts";

const organization = new AsyncLocalStorage<string>();
/** Longer than a connection may take, since what it waits for are statements. */
const patienceMs = 15_000;

/** What `work` asks of the database, also after it has returned its promise, is the organization's. */
export function onBehalfOf<T>(orgId: string, work: () => T): T {
  return organization.run(orgId, work);
}

export class FairPool extends pg.Pool {
  readonly #lines;

  constructor(options: pg.PoolConfig, share: number) {
    super(options);
    this.#lines = createLines(share);
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Parameters<pg.Pool["connect"]>[0]): void;
  override connect(callback?: Parameters<pg.Pool["connect"]>[0]): Promise<pg.PoolClient> | undefined {
    if (callback) {
      super.connect(callback); // by the pool's own `query`: for what tells who calls (auth/lookups.ts), and is nobody's yet
      return undefined;
    }
    const orgId = organization.getStore();
    return orgId === undefined ? super.connect() : this.#connectInTurn(orgId);
  }

  async #connectInTurn(orgId: string): Promise<pg.PoolClient> {
    const turn = await this.#lines
      .enter(orgId, () => AbortSignal.timeout(patienceMs))
      .catch((cause: unknown) => {
        throw databaseUnavailable(cause);
      });
    try {
      const client = await super.connect();
      const release = client.release; // the pool sets it anew each time
      client.release = (error) => {
        turn[Symbol.dispose]();
        release(error);
      };
      return client;
    } catch (error) {
      turn[Symbol.dispose]();
      throw error;
    }
  }
}
