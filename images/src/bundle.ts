import type { MachineArchitecture } from "./architecture.ts";

export type BundleFile = { readonly file: string; readonly sha256: string };

export type BundleTemplate = BundleFile & {
  readonly name: string;
  readonly sizeBytes: number;
  readonly description: string;
  /** Versions worth telling a user. */
  readonly packages: Readonly<Record<string, string>>;
};

/** `bundle.json`: everything a host needs to boot a guest. File names are relative to it. */
export type Bundle = {
  readonly formatVersion: 1;
  readonly architecture: MachineArchitecture;
  readonly kernel: BundleFile & { readonly version: string };
  readonly initramfs: BundleFile;
  readonly moduleDisk: BundleFile & { readonly filesystem: string };
  readonly templates: readonly BundleTemplate[];
  /** Built from packages other than the lock's, because the mirror no longer has those. */
  readonly drifted: boolean;
};
