/** HTTP status, code and reason of an answer that must be an error. */
import type { Answer } from "./ask.ts";

export async function failureOf(answer: Answer): Promise<[number, string, string]> {
  const { code, details } = JSON.parse((await answer.body()).toString()) as {
    code: string;
    details: { debug: { reason: string; nextStep: string } }[];
  };
  const { reason = "", nextStep = "" } = details[0]?.debug ?? {};
  if (nextStep === "") throw new Error(`${reason} says no next step`);
  return [answer.status, code, reason.replace("ERROR_REASON_", "")];
}
