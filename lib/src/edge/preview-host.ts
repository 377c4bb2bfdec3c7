/** `<port>-<sandbox id>.<domain>`: the host name under which a port of a sandbox is reached. */

export interface PreviewHost {
  readonly port: number;
  readonly sandboxId: string;
  /** Without the port of the platform's own address. */
  readonly domain: string;
}

/** Reads a `Host` header (or `:authority`); undefined where it names no port of a sandbox. */
export function previewHostOf(host: string | undefined): PreviewHost | undefined {
  const match = /^([1-9]\d{0,4})-([a-z0-9]{1,57})\.([a-z0-9.-]+?)\.?(?::\d{1,5})?$/.exec(host?.toLowerCase() ?? "");
  const port = Number(match?.[1]);
  if (!match || port > 65_535) return undefined;
  return { port, sandboxId: match[2] as string, domain: match[3] as string };
}
