/** `bundle.json`: what a guest boots from. Written by the image build; file names are relative to it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export interface BundleFile {
  readonly file: string;
  readonly sha256: string;
}

export interface BundleTemplate extends BundleFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly description: string;
  readonly packages: Readonly<Record<string, string>>;
}

export interface Bundle {
  readonly formatVersion: 1;
  readonly architecture: "x86_64" | "aarch64";
  readonly kernel: BundleFile & { readonly version: string };
  readonly initramfs: BundleFile;
  readonly moduleDisk: BundleFile & { readonly filesystem: string };
  readonly templates: readonly BundleTemplate[];
}

export function filesOf(bundle: Bundle): readonly BundleFile[] {
  return [bundle.kernel, bundle.initramfs, bundle.moduleDisk, ...bundle.templates];
}

/** Reads `<dir>/bundle.json`; throws a sentence where it is none that this release understands. */
export async function readBundle(dir: string): Promise<Bundle> {
  const path = join(dir, "bundle.json");
  const bundle = JSON.parse(await readFile(path, "utf8")) as Bundle;
  if (bundle.formatVersion !== 1) {
    throw new Error(
      `${path} has format ${bundle.formatVersion}, and this release reads format 1: build the bundle anew`,
    );
  }
  const broken = filesOf(bundle).find(({ file, sha256 }) => !/^[0-9a-f]{64}$/.test(sha256) || !/^[^/]+/.test(file));
  if (broken) throw new Error(`${path} names ${broken.file} without a sound sha256`);
  return bundle;
}
