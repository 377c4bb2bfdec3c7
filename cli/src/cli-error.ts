/** What the user can mend here and now: printed as a sentence and a next step, without a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly nextStep: string;
  /** Where the command's usual one does not fit. */
  readonly exitCode: number | undefined;

  constructor(message: string, nextStep: string, options: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options);
    this.nextStep = nextStep;
    this.exitCode = options.exitCode;
  }
}
