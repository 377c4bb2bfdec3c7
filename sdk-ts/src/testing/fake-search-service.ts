/** Search and replace of FileService of the fake platform: names by their end, text as it is. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { absolute, describe } from "./fake-file-service.ts";
import type { FakeSandbox, FakeState } from "./fake-state.ts";

type Searches = "searchFiles" | "replaceInFiles";

export function fakeSearchService(platform: FakeState): Pick<ServiceImpl<typeof FileService>, Searches> {
  const { faults } = platform;
  return {
    searchFiles: faults.stream(async function* (request, context) {
      const sandbox = platform.dataPlane(context);
      const { path, nameGlob, content, limit } = request;
      const paths = [...sandbox.files.keys()].filter(
        (file) => file.startsWith(`${absolute(path)}/`) && file.endsWith(nameGlob.replace("*", "")),
      );
      const found = content
        ? paths.flatMap((file) => matchesIn(sandbox, file, content)).map((match) => ({ matches: [match] }))
        : paths.map((file) => ({ files: [describe(sandbox, file)] }));
      yield* found.slice(0, limit || 1000);
    }),
    replaceInFiles: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      return { files: request.paths.map((path) => replaceIn(sandbox, path, request.pattern, request.replacement)) };
    }),
  };
}

function matchesIn(sandbox: FakeSandbox, path: string, content: string) {
  return textOf(sandbox, path)
    .split("\n")
    .map((text, index) => ({ path, line: BigInt(index + 1), column: BigInt(text.indexOf(content) + 1), text }))
    .filter(({ column }) => column > 0n);
}

function replaceIn(sandbox: FakeSandbox, path: string, pattern: string, replacement: string) {
  const file = sandbox.files.get(absolute(path));
  if (!file) return { path, failureReason: "FILE_NOT_FOUND", failureMessage: `${path} is not there.` };
  const parts = textOf(sandbox, absolute(path)).split(pattern);
  sandbox.files.set(absolute(path), { ...file, data: new TextEncoder().encode(parts.join(replacement)) });
  return { path, replacements: BigInt(parts.length - 1) };
}

function textOf(sandbox: FakeSandbox, path: string): string {
  return new TextDecoder().decode(sandbox.files.get(path)?.data);
}
