/** FileService of the fake platform, but for reading (that is plain HTTP), watches and searches. Relative paths are below /home/user. */
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { FileChangeKind, type FileService, FileType, type UploadPiece } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { defined } from "../convert.ts";
import { fakeError } from "./fake-error.ts";
import type { FakeFile, FakeSandbox, FakeState } from "./fake-state.ts";

const pageEntries = 2;

export function fakeFileService(platform: FakeState): Partial<ServiceImpl<typeof FileService>> {
  const { faults } = platform;
  return {
    writeFile: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      const { path, data, mode, piece } = request;
      platform.writes.push({ size: data.length, ...(piece ? { offset: Number(piece.offset), last: piece.last } : {}) });
      return defined({ info: writePiece(sandbox, { path, data, mode, piece }) });
    }),
    statFile: faults.unary((request, context) => ({ info: describe(platform.dataPlane(context), request.path) })),
    listDirectory: faults.stream(async function* (request, context) {
      const sandbox = platform.dataPlane(context);
      const prefix = `${absolute(request.path)}/`;
      const paths = [...sandbox.files.keys()]
        .filter((path) => path.startsWith(prefix))
        .filter((path) => path.slice(prefix.length).split("/").length <= (request.depth || 1))
        .sort();
      for (let at = 0; at < paths.length; at += pageEntries) {
        yield { files: paths.slice(at, at + pageEntries).map((path) => describe(sandbox, path)) };
      }
    }),
    makeDirectory: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      const { path, mode, mustBeNew } = request;
      if (mustBeNew && sandbox.files.has(absolute(path))) throw exists(path);
      put(sandbox, path, { data: new Uint8Array(0), mode: mode || 0o755, changed: Date.now(), isDirectory: true });
      return { info: describe(sandbox, path) };
    }),
    moveFile: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      const { source, destination, noReplace } = request;
      if (noReplace && sandbox.files.has(absolute(destination))) throw exists(destination);
      const file = open(sandbox, source);
      sandbox.files.delete(absolute(source));
      sandbox.changes.add({ kind: FileChangeKind.RENAMED, path: absolute(source) });
      put(sandbox, destination, file);
      return { info: describe(sandbox, destination) };
    }),
    removeFile: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      const path = absolute(request.path);
      if (!request.missingOk) open(sandbox, path);
      for (const file of [...sandbox.files.keys()].filter((file) => file === path || file.startsWith(`${path}/`))) {
        sandbox.files.delete(file);
        sandbox.changes.add({ kind: FileChangeKind.REMOVED, path: file });
      }
      return {};
    }),
    setAttributes: faults.unary((request, context) => {
      const sandbox = platform.dataPlane(context);
      const file = open(sandbox, request.path);
      const { mode = file.mode, owner = file.owner ?? "user", modifyTime, xattrs } = request;
      const changed = modifyTime ? timestampMs(modifyTime) : file.changed;
      const kept = Object.entries({ ...file.xattrs, ...xattrs }).filter(([, value]) => value.length > 0);
      sandbox.files.set(absolute(request.path), { ...file, mode, owner, changed, xattrs: Object.fromEntries(kept) });
      sandbox.changes.add({ kind: FileChangeKind.ATTRIBUTES, path: absolute(request.path) });
      return { info: describe(sandbox, request.path) };
    }),
  };
}

interface WrittenPiece {
  readonly path: string;
  readonly data: Uint8Array;
  readonly mode: number;
  /** Absent: the data is all of the file. */
  readonly piece?: Pick<UploadPiece, "uploadId" | "offset" | "last"> | undefined;
}

/** Undefined after a piece that was not the last. */
export function writePiece(sandbox: FakeSandbox, { path, data, mode, piece }: WrittenPiece) {
  const have = sandbox.uploads.get(piece?.uploadId ?? "") ?? new Uint8Array(0);
  const offset = Number(piece?.offset ?? 0);
  if (offset > have.length) throw fakeError(Code.OutOfRange, "INPUT_GAP", "A piece is missing.");
  const joined = new Uint8Array(offset + data.length);
  joined.set(have.subarray(0, offset));
  joined.set(data, offset);
  if (piece) sandbox.uploads.set(piece.uploadId, joined);
  if (piece && !piece.last) return undefined;
  put(sandbox, path, { data: joined, mode: mode || 0o644, changed: Date.now() });
  return describe(sandbox, path);
}

export function absolute(path: string): string {
  return path.startsWith("/") ? path : `/home/user/${path.replace(/^~\//, "")}`;
}

function put(sandbox: FakeSandbox, path: string, file: FakeFile): void {
  const kind = sandbox.files.has(absolute(path)) ? FileChangeKind.WRITTEN : FileChangeKind.CREATED;
  sandbox.files.set(absolute(path), file);
  sandbox.changes.add({ kind, path: absolute(path) });
}

export function open(sandbox: FakeSandbox, path: string): FakeFile {
  const file = sandbox.files.get(absolute(path));
  if (file) return file;
  throw fakeError(Code.NotFound, "FILE_NOT_FOUND", `${absolute(path)} is not there.`);
}

function exists(path: string) {
  return fakeError(Code.AlreadyExists, "FILE_EXISTS", `${absolute(path)} is there.`);
}

export function describe(sandbox: FakeSandbox, path: string) {
  if (absolute(path) === "/home/user") return { path: "/home/user", name: "user", type: FileType.DIRECTORY };
  const { data, mode, changed, isDirectory = false, owner = "user", xattrs = {} } = open(sandbox, path);
  return {
    path: absolute(path),
    name: path.split("/").at(-1) ?? "",
    type: isDirectory ? FileType.DIRECTORY : FileType.FILE,
    size: BigInt(data.length),
    mode,
    owner,
    group: "user",
    uid: 1000,
    gid: 1000,
    modifyTime: timestampFromMs(changed),
    xattrs: { ...xattrs },
  };
}
