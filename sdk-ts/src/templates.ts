import type { Connection } from "./connection.ts";
import { type ListOptions, pages } from "./pages.ts";

/** What a sandbox starts from. */
export interface Template {
  /** What `Sandbox.create({ template })` takes. */
  readonly name: string;
  /** What is in it, one sentence. */
  readonly description: string;
  /** Size of its root disk, MiB: the least a sandbox of it can have. */
  readonly diskMib: number;
  /** Names the exact content: "sha256:" and 64 hex digits. */
  readonly digest: string;
  /** Versions of the main packages, by name. */
  readonly packages: Readonly<Record<string, string>>;
}

/** The templates that can be used; at `client.templates`. */
export class Templates {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The templates by name. Needs scope `sandboxes:read`. */
  list(options: ListOptions = {}): AsyncIterable<Template> {
    const connection = this.#connection;
    return pages(options, async (page) => {
      const answer = await connection.unary((call) => connection.templates.listTemplates(page, call), {
        signal: options.signal,
        repeatable: true,
      });
      const items = answer.templates.map(({ name, description, diskMib, digest, packages }) => {
        return { name, description, diskMib, digest, packages };
      });
      return { items, nextPageToken: answer.nextPageToken };
    });
  }
}
