/** Time, passed in. */
export interface Clock {
  /** Milliseconds of the Unix epoch. */
  now(): number;
  /** Rejects with the signal's reason. */
  sleep(ms: number, options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}
