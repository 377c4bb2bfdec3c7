/** Prints what a long piece of work is at, and what each step of it took. */

export interface Steps {
  /** Runs one step: prints its name at once, and again with its time at its end. Steps may overlap. */
  run<T>(name: string, work: (note: (line: string) => void) => Promise<T>): Promise<T>;
}

export function printedSteps(write: (line: string) => void): Steps {
  return {
    async run(name, work) {
      const started = performance.now();
      write(`• ${name} ...`);
      const result = await work((line) => write(`    ${line}`));
      write(`✓ ${name}: ${formatSeconds(performance.now() - started)}`);
      return result;
    },
  };
}

export function formatSeconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
