/** Templates, hosts, organizations and keys of the fake platform. */
import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { type Host, HostSchema, HostService, HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import {
  type ApiKey,
  ApiKeyFormat,
  ApiKeySchema,
  ApiKeyService,
  type Organization,
  OrganizationSchema,
  OrganizationService,
} from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { type Pool, PoolService } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import { TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import { fakeError } from "./fake-error.ts";
import { type FakeState, page } from "./fake-state.ts";

export function fakeAdminServices(platform: FakeState, router: ConnectRouter): void {
  const { faults } = platform;
  const apiKeys: ApiKey[] = [];
  const organizations: Organization[] = [];
  const pools: Pool[] = [];
  const hosts = [
    create(HostSchema, {
      ...{ id: "host-1", state: HostState.READY, architecture: "x86_64", driver: "qemu", hardwareIsolated: false },
      ...{ vcpus: 2, memoryMib: 4096n, diskFreeMib: 10_000n, version: "0.1.0" },
    }),
  ];
  // A drain empties it at once.
  const withSandboxes = (host: Host): Host => ({ ...host, sandboxes: host.draining ? 0 : platform.sandboxes.size });
  const findHost = (context: HandlerContext, hostId: string): Host => {
    platform.controlPlane(context);
    const host = hosts.find(({ id }) => id === hostId);
    if (!host) throw fakeError(Code.NotFound, "RESOURCE_NOT_FOUND", `There is no host ${hostId}.`);
    return host;
  };
  const setDraining = (context: HandlerContext, hostId: string, draining: boolean): Host => {
    const host = findHost(context, hostId);
    host.draining = draining;
    return withSandboxes(host);
  };
  router.service(TemplateService, {
    listTemplates: faults.unary((request, context) => {
      platform.controlPlane(context);
      const base = {
        name: "base",
        description: "Debian with Python and Node.",
        diskMib: 2048,
        digest: `sha256:${"0".repeat(64)}`,
        packages: { python3: "3.11.2" },
      };
      const { items, nextPageToken } = page([base], request);
      return { templates: items, nextPageToken };
    }),
  });
  router.service(HostService, {
    listHosts: faults.unary((_request, context) => {
      platform.controlPlane(context);
      return { hosts: hosts.map(withSandboxes) };
    }),
    drainHost: faults.unary(({ hostId }, context) => ({ host: setDraining(context, hostId, true) })),
    undrainHost: faults.unary(({ hostId }, context) => ({ host: setDraining(context, hostId, false) })),
    removeHost: faults.unary(({ hostId, force }, context) => {
      const host = findHost(context, hostId);
      if (withSandboxes(host).sandboxes > 0 && !force) {
        throw fakeError(Code.FailedPrecondition, "RESOURCE_IN_USE", `The host ${hostId} has sandboxes.`);
      }
      hosts.splice(hosts.indexOf(host), 1);
      return {};
    }),
  });
  const statusOf = (pool: Pool) => ({ pool, wanted: pool.minReady, ready: pool.minReady, hits: 3n, misses: 1n });
  router.service(PoolService, {
    setPool: faults.unary(({ pool }, context) => {
      platform.controlPlane(context);
      if (!pool) throw new Error("the request has no pool");
      pools.push(pool);
      return { status: statusOf(pool) };
    }),
    listPools: faults.unary((_request, context) => {
      platform.controlPlane(context);
      return { pools: pools.map(statusOf) };
    }),
    deletePool: faults.unary(({ template }, context) => {
      platform.controlPlane(context);
      const index = pools.findIndex((pool) => pool.template === template);
      if (index < 0) throw fakeError(Code.NotFound, "RESOURCE_NOT_FOUND", `There is no pool of ${template}.`);
      pools.splice(index, 1);
      return {};
    }),
  });
  router.service(OrganizationService, {
    createOrganization: faults.unary((request, context) => {
      platform.controlPlane(context);
      const id = `org_${organizations.length + 1}`;
      const organization = create(OrganizationSchema, { id, name: request.name, createTime: timestampNow() });
      organizations.push(organization);
      return { organization, apiKey: `dnah_${"1".repeat(40)}` };
    }),
    listOrganizations: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { items, nextPageToken } = page(organizations, request);
      return { organizations: items, nextPageToken };
    }),
    setOrganizationLimits: faults.unary(({ organizationId, limits }, context) => {
      platform.controlPlane(context);
      const organization = organizations.find(({ id }) => id === organizationId);
      if (!organization) throw fakeError(Code.NotFound, "RESOURCE_NOT_FOUND", "There is no such organization.");
      if (limits) organization.limits = limits;
      return { organization };
    }),
  });
  router.service(ApiKeyService, {
    createApiKey: faults.unary((request, context) => {
      platform.controlPlane(context);
      const secret = `${request.format === ApiKeyFormat.E2B ? "e2b" : "dnah"}_${"a".repeat(40)}`;
      const apiKey = create(ApiKeySchema, {
        id: `key_${apiKeys.length + 1}`,
        name: request.name,
        prefix: secret.slice(0, 10),
        scopes: request.scopes.length > 0 ? request.scopes : ["sandboxes:read", "sandboxes:write"],
        createTime: timestampNow(),
      });
      apiKeys.unshift(apiKey);
      return { apiKey, secret };
    }),
    listApiKeys: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { items, nextPageToken } = page(apiKeys, request);
      return { apiKeys: items, nextPageToken };
    }),
    revokeApiKey: faults.unary((request, context) => {
      platform.controlPlane(context);
      const index = apiKeys.findIndex(({ id }) => id === request.apiKeyId);
      if (index < 0) throw fakeError(Code.NotFound, "RESOURCE_NOT_FOUND", `There is no key ${request.apiKeyId}.`);
      apiKeys.splice(index, 1);
      return {};
    }),
  });
}
