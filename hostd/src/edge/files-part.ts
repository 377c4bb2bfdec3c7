/** Files over plain HTTP at the edge: by the sandbox's access token, or by an address that is signed for one of them. */

import { accessTokenInvalid } from "@daytonah/lib/access-token-invalid.ts";
import { credentialText } from "@daytonah/lib/credential-text.ts";
import { headerOf, type NodeRequest } from "@daytonah/lib/node-http.ts";
import { type FilesAddress, fileGrantOf, readFilesAddress } from "@daytonah/lib/sandbox-files.ts";
import { checkFileQuery } from "@daytonah/lib/sandbox-signature.ts";
import { tokenGenerationHeader } from "../api/sandbox-call.ts";
import type { HttpFiles } from "../http-files/create-http-files.ts";
import type { VmRegistry } from "../vm/vm-registry.ts";
import { checkToken } from "./check-token.ts";
import type { EdgePart } from "./edge-part.ts";
import type { Visitors } from "./visitors.ts";

export function filesPart(registry: VmRegistry, visitors: Visitors, files: HttpFiles): EdgePart {
  return {
    handle(request, response) {
      const address = readFilesAddress(request.url ?? "");
      if (!address) return false;
      try {
        const generation = admit(registry, request, address);
        visitors.welcome(request, address.sandboxId);
        request.headers[tokenGenerationHeader] = String(generation);
      } catch (error) {
        return files.fail(request, response, error);
      }
      return files.handle(request, response);
    },
  };
}

/** The generation of the access token that lets the request in. */
function admit(registry: VmRegistry, request: NodeRequest, address: FilesAddress): number {
  const grant = fileGrantOf(request.method ?? "", address);
  if (!grant || request.headers.authorization !== undefined) {
    return checkToken(
      registry,
      address.sandboxId,
      credentialText((name) => headerOf(request, name)),
    );
  }
  const access = registry.get(address.sandboxId)?.record.access;
  if (!access) throw accessTokenInvalid();
  checkFileQuery(Buffer.from(access.signingKey, "hex"), grant, address.query, new Date());
  return access.tokenGeneration;
}
