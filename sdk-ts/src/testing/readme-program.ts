import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/**
 * The README's examples as one program, each as it stands there. The first one makes the sandbox; the others have scopes of
 * their own. It ends with the line "all of it ran".
 */
export function readmeProgram(packageName: string): string {
  const readme = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) =>
    code.replace(/^import .*\n/m, ""),
  );
  const [first, ...others] = examples;
  return `import { Client, Sandbox } from "${packageName}";
${first}
${others.map((code) => `{\n${code}}`).join("\n")}
console.log("all of it ran");
`;
}
