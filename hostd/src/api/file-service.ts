/** FileService: files in a sandbox, by its agent. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type FileService,
  ListDirectoryResponseSchema,
  ReadFileResponseSchema,
  ReplaceInFilesResponseSchema,
  SearchFilesResponseSchema,
  WatchFilesResponseSchema,
} from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { unexpectedEvent } from "../guest/agent-client.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import { watchFiles } from "../guest/watch-files.ts";
import { withHeartbeats } from "../guest/with-heartbeats.ts";
import { requireBelow, toFileChange, toFileInfo, toReplacement, toTextMatch } from "./file-convert.ts";
import { FileWatches } from "./file-watches.ts";
import { type CallDeps, meaningOf, sandboxCall, withMeaning } from "./sandbox-call.ts";
import type { Uploads } from "./uploads.ts";
import { writeWhole } from "./write-file.ts";

const maxPieceBytes = 1024 * 1024;
const maxPageSize = 1_000;
const defaultSearchLimit = 1_000;
/** For what takes the longer the more there is below a path. */
const treeTimeoutMs = 600_000;

export function fileService(deps: CallDeps, uploads: Uploads) {
  const watches = new FileWatches();
  return {
    async *readFile({ path, offset, length, user }, context) {
      const call = sandboxCall(deps, context);
      let first = true;
      yield* call.stream({ case: "readFile", value: { path, offset, length, user } }, (event) => {
        if (first && event.case === "fileInfo") {
          first = false;
          return create(ReadFileResponseSchema, { part: { case: "info", value: toFileInfo(event.value) } });
        }
        if (!first && event.case === "data" && event.value.length <= maxPieceBytes) {
          return create(ReadFileResponseSchema, { part: { case: "data", value: event.value } });
        }
        if (event.case !== "heartbeat") throw unexpectedEvent(event);
        return undefined;
      });
    },

    async writeFile(request, context) {
      const call = sandboxCall(deps, context);
      const info = request.piece
        ? await uploads.write(call, request, request.piece, request.data)
        : await writeWhole(call, request, request.data);
      return info ? { info: toFileInfo(info) } : {};
    },

    async statFile({ path, user }, context) {
      const call = sandboxCall(deps, context);
      return { info: await call.unary({ case: "statFile", value: { path, user } }, "fileInfo", toFileInfo) };
    },

    async *listDirectory({ path, depth, user, includeXattrs }, context) {
      const call = sandboxCall(deps, context);
      const page = pages();
      yield* call.stream({ case: "listDirectory", value: { path, depth, user, includeXattrs } }, (event) => {
        if (event.case === "heartbeat") return undefined;
        if (event.case !== "fileList") throw unexpectedEvent(event);
        const files = page(event.value.files).map(toFileInfo);
        for (const file of files) requireBelow(file.path, path);
        return files.length > 0 ? create(ListDirectoryResponseSchema, { files }) : undefined;
      });
    },

    async makeDirectory({ path, mode, user, mustBeNew }, context) {
      const call = sandboxCall(deps, context);
      const value = { path, mode, user, mustBeNew };
      return { info: await call.unary({ case: "makeDirectory", value }, "fileInfo", toFileInfo) };
    },

    async moveFile({ source, destination, user, noReplace }, context) {
      const call = sandboxCall(deps, context);
      const value = { source, destination, user, noReplace };
      return { info: await call.unary({ case: "moveFile", value }, "fileInfo", toFileInfo, treeTimeoutMs) };
    },

    async removeFile({ path, recursive, user, missingOk }, context) {
      const value = { path, recursive, user, missingOk };
      await sandboxCall(deps, context).command({ case: "removeFile", value }, treeTimeoutMs);
      return {};
    },

    async setAttributes(request, context) {
      const call = sandboxCall(deps, context);
      const { path, mode, owner, group, xattrs, recursive, user, modifyTime } = request;
      const value = {
        ...{ path, xattrs, recursive, user },
        ...(mode === undefined ? {} : { mode }),
        ...(owner === undefined ? {} : { owner }),
        ...(group === undefined ? {} : { group }),
        ...(modifyTime ? { modifyTime } : {}),
      };
      return { info: await call.unary({ case: "setAttributes", value }, "fileInfo", toFileInfo, treeTimeoutMs) };
    },

    async *watchFiles({ path, recursive, user, includeInfo }, context) {
      const call = sandboxCall(deps, context);
      const { agent, signal, requestId, explain } = call;
      const options = { signal, requestId, onBreak: explain };
      try {
        const changes = watchFiles(agent, { path, recursive, user, includeInfo }, options);
        for await (const change of withHeartbeats(changes, () => undefined)) {
          yield create(WatchFilesResponseSchema, {
            event: change ? { case: "change", value: toFileChange(change) } : { case: "heartbeat", value: {} },
          });
        }
      } catch (error) {
        throw await meaningOf(call.sandboxId, explain, error);
      }
    },

    async createFileWatch({ path, recursive, user, includeInfo }, context) {
      const call = sandboxCall(deps, context);
      return { watchId: await watches.open(call, { path, recursive, user, includeInfo }) };
    },

    async readFileWatch({ watchId, cursor }, context) {
      return watches.read(sandboxCall(deps, context), watchId, cursor);
    },

    async deleteFileWatch({ watchId }, context) {
      watches.end(sandboxCall(deps, context), watchId);
      return {};
    },

    async *searchFiles(request, context) {
      const call = sandboxCall(deps, context);
      const { path, nameGlob, content, regex, limit, user, ignoreCase, excludeGlobs } = request;
      const value = { path, nameGlob, content, regex, limit, user, ignoreCase, excludeGlobs };
      const page = pages();
      let left = limit || defaultSearchLimit;
      yield* call.stream({ case: "searchFiles", value }, (event) => {
        if (event.case === "heartbeat") return undefined;
        const files = event.case === "fileList" ? page(event.value.files).map(toFileInfo) : [];
        const matches = event.case === "textMatch" ? [toTextMatch(event.value)] : [];
        if (event.case !== "fileList" && event.case !== "textMatch") throw unexpectedEvent(event);
        for (const found of [...files, ...matches]) requireBelow(found.path ?? "", path);
        left -= files.length + matches.length;
        if (left < 0) throw new GuestConnectionError("protocol", "The agent found more than was asked for.");
        return files.length + matches.length > 0 ? create(SearchFilesResponseSchema, { files, matches }) : undefined;
      });
    },

    async replaceInFiles({ paths, pattern, replacement, regex, user }, context) {
      const call = sandboxCall(deps, context);
      const value = { paths, pattern, replacement, regex, user };
      const files: ReturnType<typeof toReplacement>[] = [];
      const replaced = call.stream({ case: "replaceInFiles", value }, (event) => {
        if (event.case === "heartbeat") return undefined;
        const path = paths[files.length];
        if (event.case !== "fileReplaced" || path === undefined) throw unexpectedEvent(event);
        return toReplacement(event.value, path);
      });
      return withMeaning(call.sandboxId, call.explain, async () => {
        for await (const file of replaced) files.push(file);
        if (files.length === paths.length) return create(ReplaceInFilesResponseSchema, { files });
        throw new GuestConnectionError("protocol", `The agent told of ${files.length} of ${paths.length} files.`);
      });
    },
  } satisfies ServiceImpl<typeof FileService>;
}

/** Refuses pages over their size, and pages without end that have nothing in them. */
function pages() {
  let empty = 0;
  return <T>(page: T[]): T[] => {
    empty = page.length === 0 ? empty + 1 : 0;
    if (page.length <= maxPageSize && empty <= 1) return page;
    throw new GuestConnectionError("protocol", `The agent sent a page of ${page.length} entries.`);
  };
}
