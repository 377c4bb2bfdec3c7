/** Where a host hands over a sandbox or a snapshot that is moved, and takes it in: `/v1/moves/<id>`, to the control plane alone. */

export interface MoveAddress {
  /** Of a sandbox, or of a snapshot: those begin with "snap_". */
  readonly id: string;
  /** Of a sandbox: the one it has, or is to have where it goes. */
  readonly epoch?: bigint;
}

export function moveAddress({ id, epoch }: MoveAddress): string {
  return `/v1/moves/${id}${epoch === undefined ? "" : `?epoch=${epoch}`}`;
}

/** Undefined where the address is another. */
export function readMoveAddress(url: string): MoveAddress | undefined {
  const match = /^\/v1\/moves\/(?:(snap_[a-z0-9]{1,63})|([a-z0-9]{1,63})\?epoch=([1-9][0-9]{0,15}))$/.exec(url);
  if (!match) return undefined;
  const [, snapshot, sandbox = "", epoch = ""] = match;
  return snapshot === undefined ? { id: sandbox, epoch: BigInt(epoch) } : { id: snapshot };
}
