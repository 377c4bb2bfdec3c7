/** Another's work on the same thing must end first. Thrown in a transaction it takes the key and all else back. */
export class Busy extends Error {}

export function unlessBusy(error: unknown): "busy" {
  if (error instanceof Busy) return "busy";
  throw error;
}
