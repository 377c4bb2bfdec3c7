import { expect, test } from "vitest";
import { apiServices } from "./routes.ts";
import { scopeOfRpc } from "./scopes.ts";

test("every rpc needs a scope", () => {
  for (const service of apiServices) {
    for (const method of service.methods) expect(scopeOfRpc(`${service.typeName}/${method.name}`)).toBeDefined();
  }
});
