/** The watches of FileService of the fake platform: they read the sandbox's list of changes. */
import { create } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { FileChangeKind, type FileService, WatchFilesResponseSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { fakeError } from "./fake-error.ts";
import { absolute } from "./fake-file-service.ts";
import type { FakeSandbox, FakeState } from "./fake-state.ts";

type Watches = "watchFiles" | "createFileWatch" | "readFileWatch" | "deleteFileWatch";

export function fakeWatchService(platform: FakeState): Pick<ServiceImpl<typeof FileService>, Watches> {
  const { faults } = platform;
  return {
    watchFiles: faults.stream(async function* (request, context) {
      const { changes } = platform.dataPlane(context);
      const start = changes.entries.length;
      const told = (kind: FileChangeKind, path = "") =>
        create(WatchFilesResponseSchema, { event: { case: "change", value: { kind, path } } });
      yield told(FileChangeKind.READY);
      yield create(WatchFilesResponseSchema, { event: { case: "heartbeat", value: {} } });
      for await (const change of changes.from(start, context.signal)) {
        const path = relative(request.path, change.path);
        if (path) yield told(change.kind, path);
      }
    }),
    createFileWatch: faults.unary((request, context) => {
      const { watches, changes } = platform.dataPlane(context);
      const watchId = `watch${watches.size}`;
      watches.set(watchId, { directory: request.path, start: changes.entries.length });
      return { watchId };
    }),
    readFileWatch: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      const { directory, start } = findWatch(sandbox, request.watchId);
      const fresh = sandbox.changes.entries.slice(start + Number(request.cursor));
      const changes = fresh.flatMap(({ kind, path }) => {
        const inside = relative(directory, path);
        return inside ? [{ kind, path: inside }] : [];
      });
      return { changes, nextCursor: request.cursor + BigInt(fresh.length) };
    }),
    deleteFileWatch: faults.unary((request, context) => {
      platform.dataPlane(context).watches.delete(request.watchId);
      return {};
    }),
  };
}

function findWatch({ watches }: FakeSandbox, id: string) {
  const watch = watches.get(id);
  if (watch) return watch;
  throw fakeError(Code.NotFound, "RESOURCE_NOT_FOUND", `There is no watch ${id}.`);
}

function relative(directory: string, path: string): string | undefined {
  const prefix = `${absolute(directory)}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}
