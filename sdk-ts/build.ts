/**
 * Builds what is published: `dist/`, a whole package (ESM, d.ts, package.json, README, LICENSE) for `npm publish ./dist`.
 *
 * The generated code is a private package of this repository, so it is copied in and its imports are made relative.
 */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

const here = import.meta.dirname;
const dist = join(here, "dist");
const stage = join(dist, "stage");
const generated = join(here, "../gen/es");

rmSync(dist, { recursive: true, force: true });
for (const file of globSync("**/*.ts", { cwd: join(here, "src") })) {
  if (!file.startsWith("testing/") && !file.endsWith(".test.ts")) copy(join(here, "src", file), file);
}
for (const file of globSync("{daytonah/v1,buf/validate}/*.ts", { cwd: generated })) {
  copy(join(generated, file), join("gen", file));
}
/** What there is twice, for Node and for browsers. */
const imports = (folder: string, extension: string) => {
  const twice = (suffix: string) => ({
    node: `${folder}/transport/node${suffix}.${extension}`,
    browser: `${folder}/transport/browser${suffix}.${extension}`,
    default: `${folder}/transport/browser${suffix}.${extension}`,
  });
  return { "#transport": twice(""), "#tcp": twice("-tcp") };
};
writeFileSync(join(stage, "package.json"), JSON.stringify({ type: "module", imports: imports(".", "ts") }));
compile();
rmSync(stage, { recursive: true });
for (const file of globSync("**/*.d.ts", { cwd: join(dist, "esm") })) {
  rewrite(join(dist, "esm", file), (text) => text.replaceAll(/(from "\.[^"]*|import\("\.[^"]*)\.ts"/g, '$1.js"'));
}
writePackage();

function copy(from: string, to: string): void {
  const target = join(stage, to);
  mkdirSync(dirname(target), { recursive: true });
  const up = relative(dirname(to), "gen") || ".";
  const prefix = up.startsWith(".") ? up : `./${up}`;
  writeFileSync(target, readFileSync(from, "utf8").replaceAll('from "@daytonah/gen/', `from "${prefix}/`));
}

function compile(): void {
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", join(here, "tsconfig.build.json")], { stdio: "inherit" });
}

function rewrite(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, "utf8")));
}

function writePackage(): void {
  const source = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  const { "@daytonah/gen": _, ...dependencies } = source.dependencies;
  const { scripts: _scripts, publishConfig, ...kept } = source;
  const published = {
    ...kept,
    exports: { ".": { types: "./esm/index.d.ts", default: "./esm/index.js" } },
    imports: imports("./esm", "js"),
    types: "./esm/index.d.ts",
    files: ["esm"],
    publishConfig: { access: publishConfig.access },
    dependencies,
  };
  writeFileSync(join(dist, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
  cpSync(join(here, "README.md"), join(dist, "README.md"));
  cpSync(join(here, "../LICENSE"), join(dist, "LICENSE"));
}
