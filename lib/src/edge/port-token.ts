/**
 * Where a visitor's token for a private port comes from, and how it is taken out before the guest sees the request: the
 * query of a link, our own header, or the cookie that a browser got for the link.
 */

/** In the query of a link. */
export const tokenParameter = "dnah_token";
/** For programs. */
export const tokenHeader = "dnah-port-token";

/** Browsers let nobody but this very host set the first one, and take it over TLS alone. */
const secureCookie = "__Host-dnah-port";
/** For plain HTTP, where no browser would keep the other. */
const plainCookie = "dnah-port";

/** More of one kind are not looked at. */
const maxTokens = 4;

/** Takes the tokens out of a path with query; what stays is as it was written. */
export function takeQueryTokens(url: string): { readonly tokens: readonly string[]; readonly url: string } {
  const at = url.indexOf("?");
  if (at < 0) return { tokens: [], url };
  const tokens: string[] = [];
  const kept = url
    .slice(at + 1)
    .split("&")
    .filter((pair) => {
      const [entry] = new URLSearchParams(pair);
      if (entry?.[0] !== tokenParameter) return true;
      if (tokens.length < maxTokens) tokens.push(entry[1]);
      return false;
    });
  if (tokens.length === 0) return { tokens, url };
  return { tokens, url: url.slice(0, at) + (kept.length > 0 ? `?${kept.join("&")}` : "") };
}

/** Takes our cookies out of a `Cookie` header; only the one that fits the connection counts. */
export function takeCookieTokens(
  header: string | undefined,
  secure: boolean,
): { readonly tokens: readonly string[]; readonly cookie: string | undefined } {
  if (header === undefined) return { tokens: [], cookie: undefined };
  const tokens: string[] = [];
  const kept = header.split(";").filter((pair) => {
    const at = pair.indexOf("=");
    const name = pair.slice(0, Math.max(at, 0)).trim();
    if (name !== secureCookie && name !== plainCookie) return true;
    if (name === (secure ? secureCookie : plainCookie) && tokens.length < maxTokens) {
      tokens.push(pair.slice(at + 1).trim());
    }
    return false;
  });
  const cookie = kept.join(";").trim();
  return { tokens, cookie: cookie === "" ? undefined : cookie };
}

/** A `Set-Cookie` line that keeps the token until it ends. */
export function cookieOf(token: string, secondsLeft: number, secure: boolean): string {
  const name = secure ? `${secureCookie}=${token}; Secure` : `${plainCookie}=${token}`;
  return `${name}; HttpOnly; SameSite=Lax; Path=/; Max-Age=${secondsLeft}`;
}

/** Whether a `Set-Cookie` line of a guest's would set our cookie; also without a name, which browsers send as one. */
export function setsOurCookie(line: string): boolean {
  return /^[\s=]*(?:__Host-)?dnah-port\s*(?:[=;]|$)/i.test(line);
}
