/** Everything that is checked without running the product, cheapest first. Each is one line in the test report. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pythonEnvironment } from "./python-env.ts";
import { rustTarget } from "./setup/cargo-builds.ts";
import { run } from "./setup/command.ts";
import { root } from "./setup/setup.ts";

export interface Check {
  readonly name: string;
  /** Throws, with what is wrong, where the check fails. */
  readonly check: () => Promise<void>;
}

const command = (name: string, ...argv: string[]): Check => ({
  name,
  check: async () => {
    await run(argv, { cwd: root });
  },
});

export const checks: readonly Check[] = [
  { name: "generated code is fresh (npm run gen)", check: generatedCodeIsFresh },
  command("protos are well formed (buf lint)", "buf", "lint"),
  command("protos are formatted (buf format)", "buf", "format", "--diff", "--exit-code", "proto"),
  command("protos stay compatible (buf breaking)", "buf", "breaking", "proto", "--against", "proto/baseline.binpb"),
  command("TypeScript is formatted and linted (biome)", "biome", "ci", "--colors=off", "--error-on-warnings", "."),
  command("no promise floats (oxlint)", "oxlint", "--type-aware", "--quiet"),
  command("types hold (tsc)", "tsc", "--noEmit"),
  { name: "Python's types hold (mypy)", check: pythonTypesHold },
  command("nothing is unused (knip)", "knip"),
  command("Rust is formatted (cargo fmt)", "cargo", "fmt", "--all", "--check"),
  command(
    "Rust is linted (clippy)",
    "cargo",
    "clippy",
    "--locked",
    "--all-targets",
    "--target",
    rustTarget,
    "--",
    "-D",
    "warnings",
  ),
];

const generatedFiles = [
  "gen/es/**/*.ts",
  "sdk-py-gen/src/daytonah/{_gen,_sync}/**/*.py",
  "docs/reference/**/*.md",
  "tools/vendor/**/*.proto",
];

async function generatedCodeIsFresh(): Promise<void> {
  const generated = () =>
    new Map(
      globSync(generatedFiles, { cwd: root })
        .sort()
        .map((file) => [file, readFileSync(join(root, file), "utf8")]),
    );
  const before = generated();
  await run(["node", "tools/src/gen.ts"], { cwd: root });
  const after = generated();
  const stale = [...new Set([...before.keys(), ...after.keys()])].filter(
    (file) => before.get(file) !== after.get(file),
  );
  if (stale.length > 0)
    throw new Error(`these files differ from what the protos give; run \`npm run gen\` and commit: ${stale.join(" ")}`);
}

async function pythonTypesHold(): Promise<void> {
  const bin = await pythonEnvironment(join(root, "sdk-py-gen/requirements-gen.txt"));
  await run([join(bin, "mypy")], { cwd: join(root, "sdk-py-gen") });
}
