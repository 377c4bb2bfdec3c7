/** What a host must know to let a sandbox's visitors in: the hash of its access token, and a key that signs links. */
import { hash } from "node:crypto";
import { signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import { accessTokenOf } from "./access-token.ts";

export interface VmAccess {
  readonly version: bigint;
  readonly tokenGeneration: bigint;
  readonly tokenSha256: Uint8Array;
  readonly signingKey: Uint8Array;
  readonly publicPorts: number[];
}

export interface AccessColumns {
  readonly id: string;
  readonly token_generation: number;
  readonly access_version: number;
  readonly public_ports: readonly number[];
}

export function vmAccessOf(tokenKey: string, row: AccessColumns): VmAccess {
  const token = accessTokenOf(tokenKey, row.id, row.token_generation);
  return {
    version: BigInt(row.access_version),
    tokenGeneration: BigInt(row.token_generation),
    tokenSha256: hash("sha256", token, "buffer"),
    signingKey: signingKeyOf(token),
    publicPorts: [...row.public_ports],
  };
}
