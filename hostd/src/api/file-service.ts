/** FileService: files in a sandbox, by its agent. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type * as guest from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { type FileService, ReadFileResponseSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import type { VmRegistry } from "../vm/vm-registry.ts";
import { sandboxCall, withMeaning } from "./sandbox-call.ts";
import { Uploads } from "./uploads.ts";
import { writeWhole } from "./write-file.ts";

const maxPieceBytes = 1024 * 1024;

export function fileService(registry: VmRegistry) {
  const uploads = new Uploads();
  return {
    async *readFile({ path, offset, length, user }, context) {
      const call = sandboxCall(registry, context);
      const { agent, sandboxId, explain } = call;
      const meant = <T>(work: () => Promise<T>) => withMeaning(sandboxId, explain, work);
      using stream = await meant(() => agent.open({ case: "readFile", value: { path, offset, length, user } }, call));
      for (let first = true; ; first = false) {
        const event = await meant(() => stream.next());
        if (!event) return;
        if (first && event.case === "fileInfo") {
          yield create(ReadFileResponseSchema, { part: { case: "info", value: toFileInfo(event.value) } });
        } else if (!first && event.case === "data" && event.value.length <= maxPieceBytes) {
          yield create(ReadFileResponseSchema, { part: { case: "data", value: event.value } });
        } else if (first || event.case !== "heartbeat") {
          await meant(async () => {
            throw new GuestConnectionError("protocol", `The agent sent ${event.case} in the middle of a file.`);
          });
        }
      }
    },

    async writeFile(request, context) {
      const call = sandboxCall(registry, context);
      const info = request.piece
        ? await uploads.write(call, request, request.piece)
        : await writeWhole(call, request, request.data);
      return info ? { info: toFileInfo(info) } : {};
    },

    async statFile({ path, user }, context) {
      const info = await sandboxCall(registry, context).unary({ case: "statFile", value: { path, user } }, "fileInfo");
      return { info: toFileInfo(info) };
    },
  } satisfies Partial<ServiceImpl<typeof FileService>>;
}

function toFileInfo(info: guest.FileInfo) {
  const { path, name, type, size, mode, owner, group, modifyTime, symlinkTarget } = info;
  return {
    ...{ path, name, size, mode: mode & 0o7777, owner, group, symlinkTarget },
    type: type <= 4 ? type : 0,
    ...(modifyTime ? { modifyTime } : {}),
  };
}
