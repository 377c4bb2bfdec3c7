/** A port as bare bytes, for whoever has the sandbox's access token. */
import { createContextValues } from "@connectrpc/connect";
import { credentialText } from "@daytonah/lib/credential-text.ts";
import { tcpTargetOf, upgradeToTcp } from "@daytonah/lib/edge/tcp-upgrade.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import { headerOf } from "@daytonah/lib/node-http.ts";
import { dialPort } from "../api/dial-port.ts";
import { type CallDeps, tokenGenerationHeader } from "../api/sandbox-call.ts";
import { checkToken } from "./check-token.ts";
import type { EdgePart } from "./edge-part.ts";
import type { Visitors } from "./visitors.ts";

export function tcpPart(deps: CallDeps, visitors: Visitors, log: Logger): EdgePart {
  return {
    handle: () => false,
    upgrade(request, socket, head) {
      const target = tcpTargetOf(request);
      if (!target) return false;
      const { sandboxId, port } = target;
      const open = async (signal: AbortSignal) => {
        const generation = checkToken(
          deps.registry,
          sandboxId,
          credentialText((name) => headerOf(request, name)),
        );
        visitors.welcome(request, sandboxId);
        const requestHeader = new Headers({ "sandbox-id": sandboxId, [tokenGenerationHeader]: String(generation) });
        return dialPort(deps, { requestHeader, signal, values: createContextValues() }, port);
      };
      void upgradeToTcp({ request, socket, head, open, log });
      return true;
    },
  };
}
