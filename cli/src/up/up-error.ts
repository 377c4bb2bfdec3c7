/** Why `dnah up` can't go on, and what to do: printed as two lines, without a stack. */
export class UpError extends Error {
  override readonly name = "UpError";
  readonly nextStep: string;

  constructor(message: string, nextStep: string, options?: ErrorOptions) {
    super(message, options);
    this.nextStep = nextStep;
  }
}
