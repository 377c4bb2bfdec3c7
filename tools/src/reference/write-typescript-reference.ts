import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publicDeclarations } from "./public-declarations.ts";
import { typescriptPages } from "./typescript-pages.ts";

/** Writes the pages about the TypeScript client anew. */
export function writeTypescriptReference(root: string): void {
  const folder = join(root, "docs/reference/sdk-ts");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of typescriptPages(publicDeclarations(join(root, "sdk-ts/src/index.ts")))) {
    writeFileSync(join(folder, name), `${text}\n`);
  }
}
