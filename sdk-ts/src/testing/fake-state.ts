/** What the fake services share: sandboxes, faults, what was called. */
import { Code, type HandlerContext } from "@connectrpc/connect";
import type { Sandbox } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { fakeError } from "./fake-error.ts";
import { FaultPlan } from "./fake-faults.ts";
import type { FakeProcess } from "./fake-process.ts";

export interface FakeFile {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly mode: number;
  readonly changed: number;
}

export interface FakeSandbox {
  readonly id: string;
  readonly info: Sandbox;
  readonly env: Readonly<Record<string, string>>;
  readonly processes: Map<string, FakeProcess>;
  readonly files: Map<string, FakeFile>;
  readonly uploads: Map<string, Uint8Array>;
}

export interface FakeCall {
  readonly method: string;
  readonly credential: string;
}

export class FakeState {
  /** The one API key. */
  readonly apiKey = `dnah_${"f".repeat(40)}`;
  readonly sandboxes = new Map<string, FakeSandbox>();
  readonly faults = new FaultPlan();
  /** Every call that came, with its credential. */
  readonly calls: FakeCall[] = [];
  /** Every piece that was written. */
  readonly writes: { size: number; offset?: number; last?: boolean }[] = [];

  /** How often a method was called. */
  count(method: string): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  sandbox(id: string): FakeSandbox {
    const sandbox = this.sandboxes.get(id);
    if (sandbox) return sandbox;
    throw fakeError(Code.NotFound, "SANDBOX_NOT_FOUND", `There is no sandbox ${id} in your organization.`, {
      nextStep: "List your sandboxes to see which there are.",
      metadata: { sandbox_id: id },
    });
  }

  /** Lets a call pass that has the API key. */
  controlPlane(context: HandlerContext): void {
    if (this.#credential(context) !== this.apiKey) throw unknownCredential();
  }

  /** The sandbox that a call names, for the API key and for the sandbox's own token. */
  dataPlane(context: HandlerContext): FakeSandbox {
    const id = context.requestHeader.get("sandbox-id") ?? "";
    const credential = this.#credential(context);
    if (credential !== this.apiKey && credential !== `token-${id}`) throw unknownCredential();
    return this.sandbox(id);
  }

  #credential(context: HandlerContext): string {
    const credential = context.requestHeader.get("authorization")?.replace(/^Bearer /, "") ?? "";
    this.calls.push({ method: context.method.name, credential });
    if (credential) return credential;
    throw fakeError(Code.Unauthenticated, "CREDENTIAL_MISSING", "No credential came.", {
      nextStep: "Send the header `Authorization: Bearer <API key>`.",
    });
  }
}

function unknownCredential() {
  return fakeError(Code.Unauthenticated, "CREDENTIAL_INVALID", "The credential is not known.", {
    nextStep: "Check the key, or make a new one with ApiKeyService.CreateApiKey.",
  });
}

/** One page of a list; the token is the index of the next item. */
export function page<T>(all: readonly T[], request: { pageSize: number; pageToken: string }) {
  const start = Number(request.pageToken || 0);
  const end = start + (request.pageSize || 100);
  return { items: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
}
