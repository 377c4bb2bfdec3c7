/** The data plane's calls at the edge: the same as through the control plane, by the sandbox's access token alone. */
import { credentialText } from "@daytonah/lib/credential-text.ts";
import { headerOf } from "@daytonah/lib/node-http.ts";
import { createDataPlane, type DataPlaneOptions, type DataPlaneServices } from "../api/data-plane.ts";
import { sandboxIdOf, tokenGenerationHeader } from "../api/sandbox-call.ts";
import type { VmRegistry } from "../vm/vm-registry.ts";
import { checkToken } from "./check-token.ts";
import type { EdgePart } from "./edge-part.ts";
import type { Visitors } from "./visitors.ts";

/** As the control plane's own. */
const maxBodyBytes = 2 * 1024 * 1024;

export function dataPlanePart(
  registry: VmRegistry,
  visitors: Visitors,
  services: DataPlaneServices,
  options: Pick<DataPlaneOptions, "metrics" | "log">,
): EdgePart {
  const rpc = createDataPlane(services, { ...options, maxBodyBytes });
  return {
    handle(request, response) {
      try {
        const token = credentialText((name) => headerOf(request, name));
        const sandboxId = sandboxIdOf((name) => headerOf(request, name));
        const generation = checkToken(registry, sandboxId, token);
        visitors.welcome(request, sandboxId);
        request.headers[tokenGenerationHeader] = String(generation);
      } catch (error) {
        return rpc.fail(request, response, error);
      }
      return rpc.handle(request, response);
    },
  };
}
