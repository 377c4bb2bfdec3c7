import { chmod, constants, copyFile, cp, link, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { agentProgram } from "../../../guest/testing/real-agent.ts";
import { readOpenApi } from "./openapi.ts";
import type { Settings } from "./stand-in/settings.ts";

/** The driver's own files that the stand-in imports are types only: they are not there when it runs. */
const STAND_IN = new URL("stand-in/", import.meta.url);

/** Made once: it takes longer than all the rest. */
let validators: string | undefined;

/**
 * Puts the stand-in into `folder`, with all it needs, and gives its program. A copy: the checkout may lie where VMs'
 * users can't reach it.
 */
export async function stageStandIn(folder: string, settings: Omit<Settings, "agent">): Promise<string> {
  const agent = join(folder, "invm");
  const node = join(folder, "node");
  const binary = join(folder, "cloud-hypervisor");
  await linkOrCopy(agentProgram(), agent);
  await linkOrCopy(process.execPath, node);
  await cp(STAND_IN, join(folder, "stand-in"), { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  validators ??= readOpenApi().source;
  await writeFile(join(folder, "validators.mjs"), validators);
  await writeFile(join(folder, "settings.json"), JSON.stringify({ ...settings, agent } satisfies Settings));
  await writeFile(binary, `#!${node}\nimport "./stand-in/main.ts";\n`);
  await chmod(binary, 0o755);
  return binary;
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch {
    await copyFile(source, target, constants.COPYFILE_FICLONE); // another file system
  }
  await chmod(target, 0o755);
}
