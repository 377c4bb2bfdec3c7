/** What the query of an address says, held to the rules of the rpc that does the same. */
import { create } from "@bufbuild/protobuf";
import { StatFileRequestSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { check } from "@daytonah/lib/interceptors.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import type { WriteTarget } from "../api/write-file.ts";

/** `mode` is octal, as in chmod; 0 where it is absent: the agent's own. */
export function readTarget(query: URLSearchParams, path = query.get("path") ?? ""): WriteTarget {
  const user = query.get("user") ?? "";
  check(StatFileRequestSchema, create(StatFileRequestSchema, { path, user }));
  const mode = query.get("mode") ?? "0";
  if (!/^[0-7]{1,5}$/.test(mode) || Number.parseInt(mode, 8) > 0o7777) {
    throw fieldProblem("mode", `"${mode.slice(0, 16)}" is no octal mode of 0 to 7777`);
  }
  return { path, user, mode: Number.parseInt(mode, 8) };
}

/** True for `?name`, `?name=1` and `?name=true`. */
export function readFlag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null || value === "0" || value === "false") return false;
  if (value === "" || value === "1" || value === "true") return true;
  throw fieldProblem(name, `"${value.slice(0, 16)}" is neither true nor false`);
}
