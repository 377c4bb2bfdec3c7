import { expect, test } from "vitest";
import { callKindOf } from "./call-kind.ts";
import { apiServices } from "./routes.ts";
import { needsNoCredential, scopeOfRpc } from "./scopes.ts";

test("every rpc needs a scope, but for joining, which brings a token", () => {
  const rpcs = apiServices.flatMap(({ typeName, methods }) => methods.map(({ name }) => `${typeName}/${name}`));
  for (const rpc of rpcs.filter((name) => !needsNoCredential(name))) expect(scopeOfRpc(rpc), rpc).toBeDefined();
  expect(rpcs.filter(needsNoCredential)).toEqual(["daytonah.v1.HostService/JoinHost"]);
});

test("every rpc that streams is counted as a stream, and those of operators and owners apart", () => {
  const methods = apiServices.flatMap((service) =>
    service.methods.map((method) => ({ rpc: `${service.typeName}/${method.name}`, kind: method.methodKind })),
  );
  for (const { rpc, kind } of methods) expect(callKindOf(rpc) === "streams", rpc).toBe(kind !== "unary");
  const admin = methods.map(({ rpc }) => rpc).filter((rpc) => callKindOf(rpc) === "admin");
  expect(new Set(admin.map((rpc) => rpc.split("/")[0]?.split(".").at(-1)))).toEqual(
    new Set(["PoolService", "HostService", "OrganizationService", "ApiKeyService"]),
  );
});
