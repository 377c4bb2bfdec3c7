import { expect, test } from "vitest";
import { apiServices } from "./routes.ts";
import { needsNoCredential, scopeOfRpc } from "./scopes.ts";

test("every rpc needs a scope, but for joining, which brings a token", () => {
  const rpcs = apiServices.flatMap(({ typeName, methods }) => methods.map(({ name }) => `${typeName}/${name}`));
  for (const rpc of rpcs.filter((name) => !needsNoCredential(name))) expect(scopeOfRpc(rpc), rpc).toBeDefined();
  expect(rpcs.filter(needsNoCredential)).toEqual(["daytonah.v1.HostService/JoinHost"]);
});
