/** The typed error of a call that must fail. */
import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorInfo, ErrorInfoSchema, ErrorReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { expect } from "vitest";

export interface Failure {
  readonly code: keyof typeof Code;
  readonly reason: string | undefined;
  readonly message: string;
  readonly fields: readonly string[];
  readonly nextStep: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retries: boolean;
}

/** Every error of ours has a next step and the request's id, so this demands them. */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (cause: unknown) => ConnectError.from(cause),
  );
  const info: ErrorInfo | undefined = error.findDetails(ErrorInfoSchema)[0];
  expect(info, `an ErrorInfo beside: ${error.message}`).toBeDefined();
  expect(info?.nextStep).toMatch(/\.$/);
  expect(info?.metadata.request_id).toMatch(/./);
  return {
    code: Code[error.code] as keyof typeof Code,
    reason: Object.entries(ErrorReason).find(([, value]) => value === info?.reason)?.[0],
    message: error.rawMessage,
    fields: info?.violations.map(({ field }) => field) ?? [],
    nextStep: info?.nextStep ?? "",
    metadata: info?.metadata ?? {},
    retries: info?.retryDelay !== undefined,
  };
}
