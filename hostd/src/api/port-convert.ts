/** Ports: the guest's messages as the public API's. */
import type * as guest from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";

const maxPort = 65_535;
/** Each port at a few addresses. */
const maxPorts = 4 * maxPort;
/** "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" with a scope. */
const maxAddressLength = 64;
const maxCommandLength = 64;

export function toPorts(ports: readonly guest.Port[]) {
  if (ports.length > maxPorts) throw new GuestConnectionError("protocol", `The agent told of ${ports.length} ports.`);
  return ports.map(({ port, address, pid, command }) => {
    if (port < 1 || port > maxPort || !/^[0-9a-fA-F.:%]*$/.test(address) || address.length > maxAddressLength) {
      throw new GuestConnectionError("protocol", `The agent told of a port ${port} that can't be one.`);
    }
    return { port, address, pid, command: command.slice(0, maxCommandLength) };
  });
}
