import { type Problem, problem } from "./problem.ts";

/** The same for a sandbox that is not there, at the control plane and at a host's edge: a stranger learns nothing. */
export function accessTokenInvalid(): Problem {
  return problem("CREDENTIAL_INVALID", "This access token is not one of this sandbox.", {
    nextStep: "Use the access token that CreateSandbox or RotateAccessToken gave; API keys are for the control plane.",
  });
}
