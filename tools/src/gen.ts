/**
 * `npm run gen`: regenerates everything that is made from the protos, and the references of the clients. CI runs it and
 * fails on a diff.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { generatePython } from "./gen-python.ts";
import { printProto } from "./print-proto.ts";
import { writeTypescriptReference } from "./reference/write-typescript-reference.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const vendored = `${root}tools/vendor/buf/validate/validate.proto`;
const notice =
  "// Printed by tools/src/gen.ts from the npm package @bufbuild/protovalidate (Apache-2.0, Buf Technologies). Not edited.\n\n";

mkdirSync(dirname(vendored), { recursive: true });
writeFileSync(vendored, notice + printProto(file_buf_validate_validate));
execFileSync("buf", ["generate"], { cwd: root, stdio: "inherit" });
await generatePython(root);
writeTypescriptReference(root);
