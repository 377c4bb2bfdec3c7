/** Prints what a long piece of work is at, and what each step of it took. */

export interface Steps {
  /** Runs one step: prints its name at once and its time at its end. */
  run<T>(name: string, work: (note: (line: string) => void) => Promise<T>): Promise<T>;
}

export function printedSteps(write: (line: string) => void): Steps {
  return {
    async run(name, work) {
      const started = performance.now();
      write(`• ${name} ...`);
      const result = await work((line) => write(`    ${line}`));
      write(`  done in ${formatSeconds(performance.now() - started)}`);
      return result;
    },
  };
}

export function formatSeconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
