/**
 * Why a call's connection to the agent ended before the call did.
 *
 *   unconnected  the socket or the guest's port took no connection: nothing reached the agent
 *   broken       it ended in the middle
 *   silent       it stands, and nothing comes although something must
 *   protocol     what came is not what the wire allows
 */
export type GuestConnectionFault = "unconnected" | "broken" | "silent" | "protocol";

/** Never sent to clients: whoever catches it knows whether the VM lives, and makes a Problem of both. */
export class GuestConnectionError extends Error {
  override readonly name = "GuestConnectionError";
  readonly fault: GuestConnectionFault;

  constructor(fault: GuestConnectionFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
