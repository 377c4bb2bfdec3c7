/** A failure the operator can act on: one sentence that names the thing, the rule and the way out. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}
