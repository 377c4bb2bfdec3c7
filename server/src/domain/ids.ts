/** Names for new things. */
import { randomBytes } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

/** 20 of [a-z0-9], some 103 random bits: a sandbox's id becomes a host name. */
export function newSandboxId(): string {
  return randomText(20);
}

export function newSnapshotId(): string {
  return `snap_${randomText(20)}`;
}

export function newOrganizationId(): string {
  return `org_${randomText(16)}`;
}

export function newApiKeyId(): string {
  return `key_${randomText(16)}`;
}

export function newPoolId(): string {
  return `pool_${randomText(16)}`;
}

function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    // 252 is the largest multiple of 36 in a byte; what is above it would make some letters likelier.
    for (const byte of randomBytes(length)) {
      if (byte < 252 && text.length < length) text += alphabet[byte % 36];
    }
  }
  return text;
}
