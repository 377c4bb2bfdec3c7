/** FileService of the fake platform. Paths are kept as they come, relative ones below /home/user. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { type FileService, FileType } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { fakeError } from "./fake-error.ts";
import type { FakeFile, FakeSandbox, FakeState } from "./fake-state.ts";

const chunkBytes = 256 * 1024;

export function fakeFileService(platform: FakeState): Partial<ServiceImpl<typeof FileService>> {
  const { faults } = platform;
  return {
    readFile: faults.stream(async function* (request, context) {
      const sandbox = platform.dataPlane(context);
      yield { part: { case: "info" as const, value: describe(sandbox, request.path) } };
      const start = Number(request.offset);
      const end = request.length ? start + Number(request.length) : undefined;
      const data = open(sandbox, request.path).data.subarray(start, end);
      for (let at = 0; at < data.length; at += chunkBytes) {
        yield { part: { case: "data" as const, value: data.slice(at, at + chunkBytes) } };
      }
    }),
    writeFile: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      const { path, data, mode, piece } = request;
      platform.writes.push({ size: data.length, ...(piece ? { offset: Number(piece.offset), last: piece.last } : {}) });
      const save = (content: Uint8Array) => {
        const file = { data: new Uint8Array(content), mode: mode || 0o644, changed: Date.now() };
        sandbox.files.set(absolute(path), file);
        return { info: describe(sandbox, path) };
      };
      if (!piece) return save(data);
      const have = sandbox.uploads.get(piece.uploadId) ?? new Uint8Array(0);
      const offset = Number(piece.offset);
      if (offset > have.length) throw fakeError(Code.OutOfRange, "INPUT_GAP", "A piece is missing.");
      const joined = new Uint8Array(offset + data.length);
      joined.set(have.subarray(0, offset));
      joined.set(data, offset);
      sandbox.uploads.set(piece.uploadId, joined);
      return piece.last ? save(joined) : {};
    }),
    statFile: faults.unary((request, context) => ({ info: describe(platform.dataPlane(context), request.path) })),
  };
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/home/user/${path.replace(/^~\//, "")}`;
}

function open(sandbox: FakeSandbox, path: string): FakeFile {
  const file = sandbox.files.get(absolute(path));
  if (file) return file;
  throw fakeError(Code.NotFound, "FILE_NOT_FOUND", `${absolute(path)} is not there.`);
}

function describe(sandbox: FakeSandbox, path: string) {
  if (absolute(path) === "/home/user") return { path: "/home/user", name: "user", type: FileType.DIRECTORY };
  const { data, mode, changed } = open(sandbox, path);
  return {
    path: absolute(path),
    name: path.split("/").at(-1) ?? "",
    type: FileType.FILE,
    size: BigInt(data.length),
    mode,
    owner: "user",
    group: "user",
    modifyTime: timestampFromMs(changed),
  };
}
