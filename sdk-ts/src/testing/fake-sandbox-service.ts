/** SandboxService of the fake platform. */
import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs, timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { SandboxSchema, type SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { fakeError } from "./fake-error.ts";
import { type FakeState, newFakeSandbox, page } from "./fake-state.ts";

export function fakeSandboxService(platform: FakeState): Partial<ServiceImpl<typeof SandboxService>> {
  const { faults, sandboxes } = platform;
  const byKey = new Map<string, string>();
  return {
    createSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      const template = request.template || "base";
      if (template !== "base") {
        throw fakeError(Code.NotFound, "TEMPLATE_NOT_FOUND", `There is no template ${template}.`, {
          nextStep: "List the templates to see which there are.",
        });
      }
      const { vcpus = 0, memoryMib = 0, diskMib = 0 } = request.resources ?? {};
      if (memoryMib !== 0 && memoryMib < 128) {
        const message = "value must be greater than or equal to 128";
        throw fakeError(Code.InvalidArgument, "FIELD_INVALID", `resources.memory_mib: ${message}`, {
          violations: [{ field: "resources.memory_mib", rule: "uint32.gte", message }],
        });
      }
      const known = byKey.get(request.idempotencyKey);
      const id = known ?? `sandbox${String(sandboxes.size + 1).padStart(13, "0")}`;
      const sandbox = create(SandboxSchema, {
        id,
        state: SandboxState.RUNNING,
        template,
        resources: { vcpus: vcpus || 1, memoryMib: memoryMib || 512, diskMib: diskMib || 2048 },
        metadata: request.metadata,
        createTime: timestampNow(),
        stateTime: timestampNow(),
        epoch: 1n,
        hostId: "host-1",
        hardwareIsolated: true,
        directUrl: platform.directUrl,
        snapshotId: request.snapshotId,
        ...(request.lifecycle ? { lifecycle: request.lifecycle } : {}),
      });
      if (!known) {
        sandboxes.set(id, newFakeSandbox(sandbox, request.env));
        if (request.idempotencyKey) byKey.set(request.idempotencyKey, id);
      }
      const stages = [
        { stage: "queue", duration: durationFromMs(1) },
        { stage: "vmm", duration: durationFromMs(20) },
      ];
      return { sandbox, accessToken: platform.sandbox(id).accessToken, stages, replayed: known !== undefined };
    }),
    getSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      return { sandbox: platform.sandbox(request.sandboxId).info };
    }),
    listSandboxes: faults.unary((request, context) => {
      platform.controlPlane(context);
      const wanted = [...sandboxes.values(), ...platform.tombstones.values()]
        .map(({ info }) => info)
        .filter(({ state }) =>
          request.states.length === 0 ? state !== SandboxState.DELETED : request.states.includes(state),
        )
        .filter(({ metadata }) => Object.entries(request.metadata).every(([name, value]) => metadata[name] === value));
      const { items, nextPageToken } = page(wanted.reverse(), request);
      return { sandboxes: items, nextPageToken };
    }),
    deleteSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      if (request.purge && platform.tombstones.delete(request.sandboxId)) return {};
      const sandbox = platform.sandbox(request.sandboxId);
      for (const process of sandbox.processes.values()) process.kill(9);
      sandboxes.delete(sandbox.id);
      if (request.purge) return {};
      const purgeTime = timestampFromMs(Date.now() + 86_400_000);
      Object.assign(sandbox.info, { state: SandboxState.DELETED, purgeTime });
      platform.tombstones.set(sandbox.id, sandbox);
      return { purgeTime };
    }),
    updateSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { info } = platform.sandbox(request.sandboxId);
      for (const name of request.removeMetadata) delete info.metadata[name];
      Object.assign(info.metadata, request.setMetadata);
      return { sandbox: info };
    }),
    setPortVisibility: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { info } = platform.sandbox(request.sandboxId);
      const others = info.publicPorts.filter((port) => port !== request.port);
      info.publicPorts = request.public ? [...others, request.port] : others;
      return { sandbox: info };
    }),
    createPortUrl: faults.unary((request, context) => {
      const { id } = platform.linked(context, request.sandboxId);
      const token = `${request.port}.${id}`;
      const url = `http://${request.port}-${id}.example.test/?token=${token}`;
      return { url, directUrl: "", token, expireTime: expiryOf(request.ttl) };
    }),
    createFileUrl: faults.unary((request, context) => {
      const { id } = platform.linked(context, request.sandboxId);
      const query = new URLSearchParams({ path: request.path, operation: String(request.operation) });
      return { url: `http://example.test/${id}?${query}`, directUrl: "", expireTime: expiryOf(request.ttl) };
    }),
    rotateAccessToken: faults.unary((request, context) => {
      platform.controlPlane(context);
      const sandbox = platform.sandbox(request.sandboxId);
      sandbox.accessToken += "-next";
      return { accessToken: sandbox.accessToken };
    }),
  };
}

function expiryOf(ttl: Duration | undefined) {
  return timestampFromMs(Date.now() + (ttl ? durationMs(ttl) : 3_600_000));
}
