/** Linux signals by name, 1 to 31 in order. */
const names = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGCHLD",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
] as const;

/** A Linux signal, such as "SIGTERM". */
export type SignalName = (typeof names)[number];

export function signalNumberOf(signal: SignalName | number): number {
  if (typeof signal === "number") return signal;
  const number = names.indexOf(signal) + 1;
  if (number === 0) throw new TypeError(`There is no signal ${JSON.stringify(signal)}; it is called SIGTERM, say.`);
  return number;
}

/** undefined for 0 (no signal); "SIG34", say, for a real-time signal. */
export function signalNameOf(number: number): string | undefined {
  return number === 0 ? undefined : (names[number - 1] ?? `SIG${number}`);
}
