/** The control plane's own services. */
import type { ConnectRouter } from "@connectrpc/connect";
import { EventService } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { ApiKeyService, OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { PoolService } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import type { Origins } from "../domain/links.ts";
import type { HostAuthority } from "../hosts/host-authority.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { createApiKeyService } from "./api-key-service.ts";
import { createEventService } from "./event-service.ts";
import { createHostService } from "./host-service.ts";
import { createOrganizationService } from "./organization-service.ts";
import { createPoolService } from "./pool-service.ts";
import { createSandboxService } from "./sandbox-service.ts";
import { createSnapshotService } from "./snapshot-service.ts";
import { createTemplateService } from "./template-service.ts";

export const apiServices = [
  SandboxService,
  EventService,
  SnapshotService,
  PoolService,
  TemplateService,
  HostService,
  OrganizationService,
  ApiKeyService,
] as const;

export function apiRoutes(
  deps: ServiceDeps,
  authority: () => HostAuthority,
  origins: () => Origins,
  onRevoked: () => void,
): (router: ConnectRouter) => void {
  return (router) => {
    router.service(SandboxService, createSandboxService(deps, origins));
    router.service(EventService, createEventService(deps));
    router.service(SnapshotService, createSnapshotService(deps));
    router.service(PoolService, createPoolService(deps));
    router.service(TemplateService, createTemplateService(deps));
    router.service(HostService, createHostService(deps, authority));
    router.service(OrganizationService, createOrganizationService(deps.db));
    router.service(ApiKeyService, createApiKeyService(deps.db, onRevoked));
  };
}
