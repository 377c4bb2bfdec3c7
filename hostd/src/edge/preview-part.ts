/** Addresses of sandboxes' ports at this host, under any domain that leads here: the guest is dialled without a detour. */
import { createContextValues } from "@connectrpc/connect";
import { createPreviewProxy, type PreviewProxy, type PreviewProxyOptions } from "@daytonah/lib/edge/preview-proxy.ts";
import { dialPort } from "../api/dial-port.ts";
import { type CallDeps, publicPortHeader, tokenGenerationHeader } from "../api/sandbox-call.ts";
import type { Visitors } from "./visitors.ts";

export function previewPart(
  deps: CallDeps,
  visitors: Visitors,
  { log, meter }: Pick<PreviewProxyOptions, "log" | "meter">,
): PreviewProxy {
  const { registry } = deps;
  return createPreviewProxy({
    serves: () => true,
    lookup: (sandboxId) => {
      const access = registry.get(sandboxId)?.record.access;
      return access && { ...access, signingKey: Buffer.from(access.signingKey, "hex") };
    },
    dial: ({ sandboxId, port, asPublic }, { signal }) => {
      const requestHeader = new Headers({ "sandbox-id": sandboxId });
      if (asPublic) requestHeader.set(publicPortHeader, String(port));
      // Links are made from the access token: connections that were let in by them end with it.
      else
        requestHeader.set(tokenGenerationHeader, String(registry.get(sandboxId)?.record.access?.tokenGeneration ?? 0));
      return dialPort(deps, { requestHeader, signal, values: createContextValues() }, port);
    },
    now: () => new Date(),
    log,
    meter,
    onAdmitted: (request, sandboxId) => visitors.welcome(request, sandboxId),
  });
}
