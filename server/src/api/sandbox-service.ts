/** daytonah.v1.SandboxService. */
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { hostById } from "../db/hosts.ts";
import { ancestorsOf, childrenOf } from "../db/lineage.ts";
import { listSandboxes, type SandboxRow, sandboxOf } from "../db/sandboxes.ts";
import { accessTokenOf } from "../domain/access-token.ts";
import type { Origins } from "../domain/links.ts";
import { createSandbox } from "../services/create-sandbox.ts";
import { deleteSandbox } from "../services/delete-sandbox.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { forkSandbox } from "../services/fork-sandbox.ts";
import { pauseSandbox } from "../services/pause-sandbox.ts";
import { resumeSandbox } from "../services/resume-sandbox.ts";
import { rollBackSandbox } from "../services/roll-back-sandbox.ts";
import { rotateAccessToken } from "../services/rotate-access-token.ts";
import { sandboxNotFound } from "../services/sandbox-problems.ts";
import { setPortVisibility } from "../services/set-port-visibility.ts";
import { setSandboxTimeout } from "../services/set-sandbox-timeout.ts";
import { undeleteSandbox } from "../services/undelete-sandbox.ts";
import { updateSandbox } from "../services/update-sandbox.ts";
import { callerOf } from "./admit.ts";
import { forkResultOf } from "./fork-convert.ts";
import { callOf } from "./interceptors.ts";
import { createLinks } from "./links.ts";
import { pageOf, sizeOfPage, timePositionOf } from "./paging.ts";
import {
  createInputOf,
  lifecycleFromProto,
  relativeToProto,
  sandboxFromRow,
  stageToProto,
  statesFromProto,
} from "./sandbox-convert.ts";

export function createSandboxService(deps: ServiceDeps, origins: () => Origins): ServiceImpl<typeof SandboxService> {
  const toProto = (row: SandboxRow) => sandboxFromRow(row, deps.edgeUrlOf(row.host_id));
  return {
    async createSandbox(request, context) {
      const input = createInputOf(callerOf(context).orgId, request);
      const { row, stages, replayed } = await createSandbox(deps, input, callOf(context));
      return {
        sandbox: toProto(row),
        accessToken: accessTokenOf(deps.tokenKey, row.id, row.token_generation),
        stages: stages.map(stageToProto),
        replayed,
      };
    },

    async getSandbox({ sandboxId }, context) {
      const row = await sandboxOf(deps.db, callerOf(context).orgId, sandboxId);
      if (!row || row.state === "deleted") throw sandboxNotFound(sandboxId);
      return { sandbox: toProto(row) };
    },

    async listSandboxes(request, context) {
      const rows = await listSandboxes(deps.db, {
        orgId: callerOf(context).orgId,
        states: statesFromProto(request.states),
        metadata: request.metadata,
        after: timePositionOf("sandboxes", request),
        limit: sizeOfPage(request) + 1,
      });
      const { page, nextPageToken } = pageOf("sandboxes", rows, request, (row) => [
        String(row.create_time.getTime()),
        row.id,
      ]);
      return { sandboxes: page.map(toProto), nextPageToken };
    },

    async deleteSandbox({ sandboxId, idempotencyKey, purge }, context) {
      const { orgId } = callerOf(context);
      const purgeTime = await deleteSandbox(deps, { orgId, sandboxId, idempotencyKey, purge }, context.signal);
      return purgeTime ? { purgeTime: timestampFromDate(purgeTime) } : {};
    },

    async undeleteSandbox({ sandboxId, idempotencyKey }, context) {
      const call = { orgId: callerOf(context).orgId, sandboxId, idempotencyKey };
      return { sandbox: toProto(await undeleteSandbox(deps, call, context.signal)) };
    },

    async updateSandbox({ sandboxId, setMetadata, removeMetadata, idempotencyKey }, context) {
      const { orgId } = callerOf(context);
      const change = { orgId, sandboxId, setMetadata, removeMetadata, idempotencyKey };
      return { sandbox: toProto(await updateSandbox(deps.db, change)) };
    },

    async setPortVisibility({ sandboxId, port, public: open, idempotencyKey }, context) {
      const { orgId } = callerOf(context);
      const change = { orgId, sandboxId, port, public: open, idempotencyKey };
      return { sandbox: toProto(await setPortVisibility(deps, change, context.signal)) };
    },

    async rotateAccessToken({ sandboxId, idempotencyKey }, context) {
      const { orgId } = callerOf(context);
      const accessToken = await rotateAccessToken(deps, { orgId, sandboxId, idempotencyKey }, context.signal);
      return { accessToken };
    },

    async pauseSandbox({ sandboxId, idempotencyKey }, context) {
      const { orgId } = callerOf(context);
      const { row, stages } = await pauseSandbox(deps, { orgId, sandboxId, idempotencyKey }, callOf(context));
      return { sandbox: toProto(row), stages: stages.map(stageToProto) };
    },

    async resumeSandbox({ sandboxId, idempotencyKey, timeout }, context) {
      const { orgId } = callerOf(context);
      const input = { orgId, sandboxId, idempotencyKey, timeoutMs: timeout && durationMs(timeout) };
      const { row, stages } = await resumeSandbox(deps, input, callOf(context));
      const accessToken = accessTokenOf(deps.tokenKey, row.id, row.token_generation);
      return { sandbox: toProto(row), accessToken, stages: stages.map(stageToProto) };
    },

    async rollBackSandbox({ sandboxId, snapshotId, idempotencyKey }, context) {
      const input = { orgId: callerOf(context).orgId, sandboxId, snapshotId, idempotencyKey };
      const { row, stages } = await rollBackSandbox(deps, input, callOf(context));
      return { sandbox: toProto(row), stages: stages.map(stageToProto) };
    },

    async getSandboxLineage({ sandboxId }, context) {
      const row = await sandboxOf(deps.db, callerOf(context).orgId, sandboxId);
      if (!row) throw sandboxNotFound(sandboxId);
      const [ancestors, children] = [await ancestorsOf(deps.db, row.id, 100), await childrenOf(deps.db, row.id, 1_000)];
      return { ancestors: ancestors.map(relativeToProto), children: children.map(relativeToProto) };
    },

    async forkSandbox(request, context) {
      const { sandboxId, metadata, env, idempotencyKey } = request;
      const { orgId } = callerOf(context);
      const [count, lifecycle] = [request.count || 1, lifecycleFromProto(request.lifecycle)];
      const input = { orgId, sandboxId, count, metadata, env, lifecycle, idempotencyKey };
      const { children, stages, hostId, replayed } = await forkSandbox(deps, input, callOf(context));
      const host = hostId === null ? undefined : await hostById(deps.db, hostId);
      return {
        results: children.map((child) => forkResultOf(child, toProto, deps.tokenKey)),
        stages: stages.map(stageToProto),
        memoryShared: host?.memory_shared ?? false,
        diskShared: host?.disk_shared ?? false,
        replayed,
      };
    },

    async setSandboxTimeout({ sandboxId, timeout, extendOnly }, context) {
      const { orgId } = callerOf(context);
      const change = { orgId, sandboxId, timeoutMs: timeout ? durationMs(timeout) : null, extendOnly };
      return { sandbox: toProto(await setSandboxTimeout(deps, change, context.signal)) };
    },

    ...createLinks(deps, origins),
  };
}
