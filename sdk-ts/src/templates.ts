import type { Template as WireTemplate } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import type { Connection } from "./connection.ts";
import type { LifeOptions } from "./life/life-types.ts";
import { lifeTimeoutMs } from "./life/sandbox-life.ts";
import { type ListOptions, pages } from "./pages.ts";
import { randomId } from "./random-id.ts";

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
  /** The snapshot it stands on, for one of yours; undefined for the platform's own. */
  readonly snapshotId: string | undefined;
}

/** Options of `client.templates.create`. */
export interface CreateTemplateOptions extends LifeOptions {
  /** What is in it, one sentence. */
  readonly description?: string | undefined;
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
      return { items: answer.templates.map(templateOf), nextPageToken: answer.nextPageToken };
    });
  }

  /**
   * Keeps memory and disk of a running or paused sandbox under a name: `Sandbox.create({ template: name })` then goes on where it
   * was, as another machine, without a boot. A template of yours with that name is given the new content. Throws a
   * ConflictError for a name of the platform's own. Needs scope `sandboxes:write`.
   *
   * @example
   * await sandbox.exec("pip install numpy && python3 -c 'import numpy'", { check: true });
   * await client.templates.create("numpy", sandbox.id);
   */
  async create(name: string, sandboxId: string, options: CreateTemplateOptions = {}): Promise<Template> {
    const { description = "", signal, timeoutMs = lifeTimeoutMs } = options;
    const request = { name, sandboxId, description, idempotencyKey: randomId() };
    const { templates } = this.#connection;
    const answer = await this.#connection.unary((call) => templates.createTemplate(request, call), {
      ...{ signal, timeoutMs },
      repeatable: true,
    });
    return templateOf(answer.template);
  }

  /** Deletes a template of yours; sandboxes made of it stay whole. Needs scope `sandboxes:write`. */
  async delete(name: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { templates } = this.#connection;
    await this.#connection.unary((call) => templates.deleteTemplate({ name }, call), {
      signal: options.signal,
      repeatable: false,
    });
  }
}

function templateOf(template: WireTemplate | undefined): Template {
  if (!template) throw new TypeError("The platform's answer lacks the template.");
  const { name, description, diskMib, digest, packages, snapshotId } = template;
  return { name, description, diskMib, digest, packages, snapshotId: snapshotId || undefined };
}
