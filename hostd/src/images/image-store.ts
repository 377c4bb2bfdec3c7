/** The host's own images, by content: `<data>/images/<sha256>`. VMs open them read-only, under their own users. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncPath } from "../host/disk/durable.ts";
import { type Bundle, type BundleFile, type BundleTemplate, filesOf, readBundle } from "./bundle.ts";

export interface ImageStoreDeps {
  /** A reflink or a copy that keeps holes. */
  readonly clone: (from: string, to: string, signal: AbortSignal) => Promise<void>;
}

export class ImageStore {
  readonly #dir: string;
  readonly #deps: ImageStoreDeps;
  #bundle: Bundle | undefined;

  constructor(dataDir: string, deps: ImageStoreDeps) {
    this.#dir = join(dataDir, "images");
    this.#deps = deps;
  }

  /** What new VMs start from. */
  get bundle(): Bundle {
    if (!this.#bundle) throw new Error("no bundle was imported");
    return this.#bundle;
  }

  pathOf(sha256: string): string {
    return join(this.#dir, sha256);
  }

  async has(sha256: string): Promise<boolean> {
    return (await stat(this.pathOf(sha256)).catch(() => undefined)) !== undefined;
  }

  template(name: string): BundleTemplate | undefined {
    return this.bundle.templates.find((template) => template.name === name);
  }

  /** Makes the bundle in `from` the current one; without it, the one imported last stays so. */
  async open(from: string | undefined, options: { readonly signal: AbortSignal }): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o755 });
    await chmod(this.#dir, 0o755);
    const current = join(this.#dir, "bundle.json");
    if (from === undefined) {
      this.#bundle = await readBundle(this.#dir).catch((cause: unknown) => {
        throw new Error("no bundle was ever imported: name its folder in DNAH_BUNDLE", { cause });
      });
      return;
    }
    const bundle = await readBundle(from);
    for (const file of filesOf(bundle)) await this.#import(from, file, options.signal);
    await writeFile(`${current}.new`, await readFile(join(from, "bundle.json")), { flush: true });
    await rename(`${current}.new`, current);
    this.#bundle = bundle;
  }

  /** Removes images that neither the current bundle nor a VM needs. Returns how many. */
  async prune(needed: ReadonlySet<string>): Promise<number> {
    const keep = new Set([...needed, ...filesOf(this.bundle).map(({ sha256 }) => sha256), "bundle.json"]);
    const stale = (await readdir(this.#dir)).filter((name) => !keep.has(name));
    for (const name of stale) await rm(join(this.#dir, name), { force: true });
    return stale.length;
  }

  async #import(from: string, { file, sha256 }: BundleFile, signal: AbortSignal): Promise<void> {
    const path = this.pathOf(sha256);
    if (await stat(path).catch(() => undefined)) return;
    const source = join(from, file);
    const half = `${path}.import`;
    await rm(half, { force: true });
    // A second name for the very file needs no check: the build named it by its content, and never writes it again.
    const linked = await link(source, half).then(
      () => true,
      () => false,
    );
    if (!linked) {
      await this.#deps.clone(source, half, signal);
      const found = await digest(half, signal);
      if (found !== sha256) {
        await rm(half, { force: true });
        throw new Error(`${source} has sha256 ${found}, and bundle.json says ${sha256}: build the bundle anew`);
      }
    }
    await chmod(half, 0o444);
    await syncPath(half); // its name is what it is believed by after a power cut
    await rename(half, path);
  }
}

async function digest(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
