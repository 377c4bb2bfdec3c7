import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

export interface TestBundle {
  readonly kernel: string;
  readonly initramfs: string;
  readonly moduleDisk: string;
  readonly moduleFilesystem: string;
  readonly template: string;
}

/** The guest bundle of the test run; throws where there is none. */
export function testBundle(): TestBundle {
  const dir = process.env.DNAH_TEST_BUNDLE;
  if (dir === undefined) {
    throw new Error(
      "DNAH_TEST_BUNDLE is not set: the folder of a guest bundle, as `node images/src/build.ts` prints it",
    );
  }
  const bundle = JSON.parse(readFileSync(join(dir, "bundle.json"), "utf8"));
  return {
    kernel: join(dir, bundle.kernel.file),
    initramfs: join(dir, bundle.initramfs.file),
    moduleDisk: join(dir, bundle.moduleDisk.file),
    moduleFilesystem: bundle.moduleDisk.filesystem,
    template: join(dir, bundle.templates[0].file),
  };
}

/** The vsock device's program; throws where there is none. */
export function testVsockDevice(): string {
  const name = "vhost-device-vsock";
  const folders = [...(process.env.PATH ?? "").split(delimiter), join(homedir(), ".cargo/bin")];
  const found = process.env.DNAH_VHOST_DEVICE_VSOCK ?? folders.map((one) => join(one, name)).find(existsSync);
  if (found === undefined) {
    throw new Error(`${name} is neither in PATH nor in ~/.cargo/bin; set DNAH_VHOST_DEVICE_VSOCK to its path`);
  }
  return found;
}
