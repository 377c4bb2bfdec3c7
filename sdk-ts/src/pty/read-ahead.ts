/** Values that were produced and not yet taken. Whoever produces waits while there are too many bytes of them. */
export class ReadAhead<T extends { readonly data: Uint8Array }> {
  readonly #maxBytes: number;
  readonly #values: T[] = [];
  #bytes = 0;
  #end: { readonly error?: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Resolves when the next one is welcome. */
  async push(value: T): Promise<void> {
    this.#values.push(value);
    this.#bytes += value.data.length;
    this.#wake();
    while (this.#bytes > this.#maxBytes && !this.#end) await this.#changed.promise;
  }

  /** Nothing more comes. With an error, taking throws it once all is taken. */
  end(end: { readonly error?: unknown } = {}): void {
    this.#end ??= end;
    this.#wake();
  }

  /** The next value; undefined at the end. */
  async take(): Promise<T | undefined> {
    while (this.#values.length === 0 && !this.#end) await this.#changed.promise;
    const value = this.#values.shift();
    if (!value && this.#end && "error" in this.#end) throw this.#end.error;
    this.#bytes -= value?.data.length ?? 0;
    this.#wake();
    return value;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
