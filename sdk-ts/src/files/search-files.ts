/** Finds files by name and lines by content. What was found is told at once; a call that breaks after that is not repeated. */
import type { SearchFilesResponse } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { resuming } from "../data-plane/resuming.ts";
import { fileInfoOf } from "./file-info.ts";
import type { FileInfo } from "./file-types.ts";
import type { FileReplacement, FindOptions, ReplaceOptions, SearchOptions, TextMatch } from "./search-types.ts";

export function findFiles(
  plane: DataPlane,
  path: string,
  options: FindOptions,
): AsyncGenerator<FileInfo, void, undefined> {
  return search(plane, path, "", options, ({ files }) => files.map(fileInfoOf));
}

export function searchFiles(
  plane: DataPlane,
  path: string,
  content: string,
  options: SearchOptions,
): AsyncGenerator<TextMatch, void, undefined> {
  // An empty text would be found everywhere; the call takes it for a search by name.
  if (content === "") throw new TypeError("The text to search for is empty; files.find searches by name.");
  return search(plane, path, content, options, ({ matches }) =>
    matches.map(({ path: file, line, column, text }) => ({
      path: file,
      line: Number(line),
      column: Number(column),
      text,
    })),
  );
}

async function* search<T>(
  plane: DataPlane,
  path: string,
  content: string,
  options: SearchOptions,
  itemsOf: (page: SearchFilesResponse) => readonly T[],
): AsyncGenerator<T, void, undefined> {
  const { name = "", regex = false, ignoreCase = false, exclude = [], limit = 0, user = "" } = options;
  const excludeGlobs = [...exclude];
  const request = { path, nameGlob: name, content, regex, limit, user, ignoreCase, excludeGlobs };
  let given = false;
  const resumable = { signal: plane.signal(options.signal), mayResume: () => !given };
  yield* resuming(plane, resumable, async function* (way, call) {
    for await (const page of way.files.searchFiles(request, call)) {
      for (const item of itemsOf(page)) {
        given = true;
        yield item;
      }
    }
  });
}

export async function replaceInFiles(
  plane: DataPlane,
  paths: readonly string[],
  pattern: string,
  replacement: string,
  options: ReplaceOptions,
): Promise<readonly FileReplacement[]> {
  const { regex = false, user = "", signal } = options;
  const request = { paths: [...paths], pattern, replacement, regex, user };
  const { files } = await plane.unary((way, call) => way.files.replaceInFiles(request, call), {
    signal,
    repeatable: false,
  });
  return files.map(({ path, replacements, failureReason, failureMessage }) => ({
    path,
    replacements: Number(replacements),
    failure: failureReason ? { reason: failureReason, message: failureMessage } : undefined,
  }));
}
