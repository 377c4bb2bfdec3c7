import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/**
 * The README's examples as one program: each as it stands there, in a scope of its own, with `sandbox` as the first example
 * leaves it to the others. It ends with the line "all of it ran".
 */
export function readmeProgram(packageName: string): string {
  const readme = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
  const scopes = examples.map((code) => `{\n${code.replace(/^import .*\n/m, "")}}`);
  return `import { Client, Sandbox } from "${packageName}";
await using sandbox = await Sandbox.create();
${scopes.join("\n")}
console.log("all of it ran");
`;
}
