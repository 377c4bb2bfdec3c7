/** The part of HostDaemonService that renews the host's certificate. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { HostDaemonService } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import type { HostIdentity } from "../pki/host-identity.ts";

type CertificateCalls = "requestCertificate" | "installCertificate";

export function certificateService(
  identity: HostIdentity,
): Pick<ServiceImpl<typeof HostDaemonService>, CertificateCalls> {
  return {
    async requestCertificate() {
      return { certificateRequest: await identity.request() };
    },
    installCertificate({ certificate }) {
      identity.install(certificate);
      return {};
    },
  };
}
