/** The scope that each rpc needs. What is not here is refused. */
import type { Scope } from "../domain/scope.ts";

const table: Readonly<Record<string, Scope>> = {
  "daytonah.v1.SandboxService/CreateSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/GetSandbox": "sandboxes:read",
  "daytonah.v1.SandboxService/ListSandboxes": "sandboxes:read",
  "daytonah.v1.SandboxService/DeleteSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/UpdateSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/CreatePortUrl": "sandboxes:write",
  "daytonah.v1.SandboxService/SetPortVisibility": "sandboxes:write",
  "daytonah.v1.SandboxService/CreateFileUrl": "sandboxes:write",
  "daytonah.v1.SandboxService/RotateAccessToken": "sandboxes:write",
  "daytonah.v1.EventService/WatchEvents": "sandboxes:read",
  "daytonah.v1.SandboxService/PauseSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/ResumeSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/SetSandboxTimeout": "sandboxes:write",
  "daytonah.v1.SandboxService/ForkSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/RollBackSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/UndeleteSandbox": "sandboxes:write",
  "daytonah.v1.SandboxService/GetSandboxLineage": "sandboxes:read",
  "daytonah.v1.PoolService/SetPool": "admin",
  "daytonah.v1.PoolService/ListPools": "admin",
  "daytonah.v1.PoolService/DeletePool": "admin",
  "daytonah.v1.TemplateService/ListTemplates": "sandboxes:read",
  "daytonah.v1.TemplateService/CreateTemplate": "sandboxes:write",
  "daytonah.v1.TemplateService/DeleteTemplate": "sandboxes:write",
  "daytonah.v1.SnapshotService/CreateSnapshot": "sandboxes:write",
  "daytonah.v1.SnapshotService/GetSnapshot": "sandboxes:read",
  "daytonah.v1.SnapshotService/ListSnapshots": "sandboxes:read",
  "daytonah.v1.SnapshotService/DeleteSnapshot": "sandboxes:write",
  "daytonah.v1.HostService/ListHosts": "admin",
  "daytonah.v1.HostService/CreateJoinToken": "admin",
  "daytonah.v1.HostService/RemoveHost": "admin",
  "daytonah.v1.HostService/DrainHost": "admin",
  "daytonah.v1.HostService/UndrainHost": "admin",
  "daytonah.v1.OrganizationService/CreateOrganization": "admin",
  "daytonah.v1.OrganizationService/ListOrganizations": "admin",
  "daytonah.v1.OrganizationService/SetOrganizationLimits": "admin",
  "daytonah.v1.ApiKeyService/CreateApiKey": "keys:write",
  "daytonah.v1.ApiKeyService/ListApiKeys": "keys:write",
  "daytonah.v1.ApiKeyService/RevokeApiKey": "keys:write",
};

/** Every call of the data plane; a sandbox's own access token does as well. */
export const dataPlaneScope: Scope = "sandboxes:write";

/** Whoever has a sandbox's own access token may make links into it: with the token he gets in anyway. */
const forAccessTokens: ReadonlySet<string> = new Set([
  "daytonah.v1.SandboxService/CreatePortUrl",
  "daytonah.v1.SandboxService/CreateFileUrl",
]);

/** `rpc` is `<service>/<method>`. */
export function takesAccessTokens(rpc: string): boolean {
  return forAccessTokens.has(rpc);
}

/** Its credential is a field of the request. */
export function needsNoCredential(rpc: string): boolean {
  return rpc === "daytonah.v1.HostService/JoinHost";
}

export function scopeOfRpc(rpc: string): Scope | undefined {
  return table[rpc];
}
