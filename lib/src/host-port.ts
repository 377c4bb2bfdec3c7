/** An address to listen on or to reach, as a setting names it. */
export interface HostPort {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** Reads `<host>:<port>`, an IPv6 address in brackets; what is none is added to the problems of the configuration. */
export function readHostPort(name: string, text: string, problems: string[]): HostPort {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) {
    problems.push(`${name} is "${text}", and must be <host>:<port>`);
    return { host: "", port: 0 };
  }
  return { host, port };
}
