/** Renews hosts' certificates, and what this server shows to them, when a third of their life is left. */
import { claimCertificate } from "../db/hosts.ts";
import type { HostAuthority } from "../hosts/host-authority.ts";
import type { ServiceDeps } from "../services/deps.ts";
import type { HostStatus, HostStatuses } from "./host-statuses.ts";

export async function renewCertificates(
  deps: ServiceDeps,
  authority: HostAuthority,
  statuses: HostStatuses,
): Promise<void> {
  const now = deps.clock.now();
  await authority.renewOwn(now);
  for (const status of statuses.values()) {
    if (!status.connected || status.certificateExpiresAt > now + authority.leafLifeMs / 3) continue;
    await renew(deps, authority, status).catch((error: unknown) =>
      deps.log.warn("host.certificate_not_renewed", { host: status.hostId, error }),
    );
  }
}

/** A key that the host makes, and keeps; the certificate is in force for the connections that are made after this. */
async function renew(deps: ServiceDeps, authority: HostAuthority, { hostId }: HostStatus): Promise<void> {
  const host = deps.hosts.get(hostId);
  // One server at a time: the host keeps the key of the last request alone.
  const tlsName = host && (await claimCertificate(deps.db, hostId));
  if (!host || tlsName === undefined) return;
  const request = await host.requestCertificate({});
  await host.installCertificate(await authority.certify(request, tlsName, deps.clock.now()), {});
  deps.log.info("host.certificate_renewed", { host: hostId });
}
