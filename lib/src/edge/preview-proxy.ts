/**
 * The addresses of sandboxes' ports, `<port>-<sandbox id>.<domain>`: lets a visitor in or not, and carries his requests to
 * the program that listens there. The control plane and every host's edge have one. docs/ports.md tells what clients see.
 */
import type http from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "../log.ts";
import { headerOf, isGone, type NodeRequest, type NodeResponse } from "../node-http.ts";
import { type Problem, problem, problemOf } from "../problem.ts";
import { type Admission, admitVisitor, type SandboxAccess } from "./admit-visitor.ts";
import { answerPreflight } from "./answer-preflight.ts";
import { connectionFactsOf } from "./connection-facts.ts";
import { cookieCounts, type Provenance } from "./cookie-counts.ts";
import { answerFailure } from "./failure-page.ts";
import { forwardGrpc } from "./forward-grpc.ts";
import { forwardHttp1, receiveAnswer } from "./forward-http1.ts";
import { forwardUpgrade } from "./forward-upgrade.ts";
import { type Destination, type Dial, GuestConnections } from "./guest-connections.ts";
import { headersForGuest, isGrpc, type RawHeaders } from "./guest-headers.ts";
import { cookieOf, takeCookieTokens, takeQueryTokens, tokenHeader } from "./port-token.ts";
import { type PreviewHost, previewHostOf } from "./preview-host.ts";
import type { PreviewMeter } from "./preview-meter.ts";
import { responseOn } from "./response-on.ts";

export interface PreviewProxyOptions {
  /** Whether this side answers for `<port>-<sandbox id>.<domain>`. */
  readonly serves: (domain: string) => boolean;
  /** Undefined for a sandbox that is not there. */
  readonly lookup: (sandboxId: string) => Promise<SandboxAccess | undefined> | SandboxAccess | undefined;
  readonly dial: Dial;
  readonly now: () => Date;
  readonly log: Logger;
  readonly meter: PreviewMeter;
  /** Hears of each request that is let in; may refuse it by a Problem. */
  readonly onAdmitted?: (request: NodeRequest, sandboxId: string) => void;
}

export interface PreviewProxy extends Disposable {
  /** Answers a request for a port; says false, and does nothing, for any other host name. */
  handle(request: NodeRequest, response: NodeResponse): boolean;
  /** The same for a connection that leaves HTTP. */
  upgrade(request: http.IncomingMessage, socket: Socket, head: Buffer): boolean;
}

/** A request that was let in. */
interface Admitted {
  readonly target: Destination;
  readonly path: string;
  readonly headers: RawHeaders;
  /** To the same address without its token; nothing goes to the guest. */
  readonly redirect?: Record<string, string | readonly string[]>;
}

export function createPreviewProxy(options: PreviewProxyOptions): PreviewProxy {
  const { serves, log, meter } = options;
  const connections = new GuestConnections(options.dial);
  const hostOf = (request: NodeRequest) => {
    const host = previewHostOf(hostHeaderOf(request));
    return host && serves(host.domain) ? host : undefined;
  };
  const problemFrom = (error: unknown): Problem => {
    const known = problemOf(error);
    meter.failed(known?.reason ?? "INTERNAL");
    if (known) return known;
    log.error("preview.failed", { error });
    return problem("INTERNAL", "The platform failed to do this.", { cause: error });
  };

  async function forward(request: NodeRequest, response: NodeResponse, host: PreviewHost): Promise<void> {
    const fail = (error: unknown) => answerFailure(request, response, problemFrom(error));
    try {
      const { target, path, headers, redirect } = await admit(options, request, host);
      if (isGone(response)) return;
      if (redirect) return void (response as http.ServerResponse).writeHead(302, redirect as never).end();
      response.once("close", connections.begin(host));
      response.once("close", meter.begun());
      const forwarded = { connections, target, meter, request, response, path, headers, fail };
      if (isGrpc(request)) await forwardGrpc(forwarded);
      else forwardHttp1(forwarded);
    } catch (error) {
      fail(error);
    }
  }

  async function forwardConnection(request: http.IncomingMessage, socket: Socket, head: Buffer, host: PreviewHost) {
    const fail = (error: unknown) => answerFailure(request, responseOn(request, socket), problemFrom(error));
    try {
      const { target, path, headers } = await admit(options, request, host);
      if (socket.destroyed) return;
      socket.once("close", connections.begin(host));
      socket.once("close", meter.begun());
      socket.allowHalfOpen = true;
      const answer = (answered: http.IncomingMessage) =>
        receiveAnswer(answered, responseOn(request, socket), { meter, fail });
      forwardUpgrade({ ...{ connections, target, meter, request, socket, head, path, headers }, answer, fail });
    } catch (error) {
      fail(error);
    }
  }

  return {
    handle(request, response) {
      const host = hostOf(request);
      if (host && !answerPreflight(request, response)) void forward(request, response, host);
      return host !== undefined;
    },
    upgrade(request, socket, head) {
      const host = hostOf(request);
      socket.on("error", () => undefined); // its close is what counts
      if (host) void forwardConnection(request, socket, head, host);
      return host !== undefined;
    },
    [Symbol.dispose]: () => connections[Symbol.dispose](),
  };
}

/** Throws the problem that the visitor gets. */
async function admit(options: PreviewProxyOptions, request: NodeRequest, host: PreviewHost): Promise<Admitted> {
  const hostHeader = hostHeaderOf(request) ?? "";
  const facts = connectionFactsOf(request, hostHeader);
  const secure = facts.proto === "https";
  const query = takeQueryTokens(pathOf(request));
  const { tokens: cookieTokens, cookie } = takeCookieTokens(request.headers.cookie, secure);
  const visit = {
    host,
    queryTokens: query.tokens,
    headerTokens: [request.headers[tokenHeader] ?? []].flat(),
    cookieTokens: cookieCounts(host, secure, provenanceOf(request)) ? cookieTokens : [],
  };
  const admission = admitVisitor(await options.lookup(host.sandboxId), visit, options.now());
  options.onAdmitted?.(request, host.sandboxId);
  const headers = headersForGuest(request, { host: hostHeader, cookie, facts });
  const fromLink = query.tokens.length > 0 && isNavigation(request);
  return {
    target: { sandboxId: host.sandboxId, port: host.port, asPublic: admission.asPublic },
    ...{ path: query.url, headers },
    ...(fromLink ? { redirect: redirectTo(query.url, admission, secure, options.now()) } : {}),
  };
}

function provenanceOf(request: NodeRequest): Provenance {
  return {
    origin: headerOf(request, "origin"),
    referer: headerOf(request, "referer"),
    site: headerOf(request, "sec-fetch-site"),
    mode: headerOf(request, "sec-fetch-mode"),
    destination: headerOf(request, "sec-fetch-dest"),
  };
}

/** A page that a browser is to show: the token must not stay in the address bar, nor reach others as the referrer. */
function isNavigation(request: NodeRequest): boolean {
  const reads = request.method === "GET" || request.method === "HEAD";
  return reads && (headerOf(request, "accept")?.includes("text/html") ?? false) && !request.headers.upgrade;
}

function redirectTo(url: string, { link }: Admission, secure: boolean, now: Date): Record<string, string> {
  const secondsLeft = link ? Math.floor((link.expireTime.getTime() - now.getTime()) / 1000) : 0;
  return {
    // Browsers take a path that begins with two slashes for another host's; this means the same path, and can't be one.
    location: /^\/[/\\]/.test(url) ? `/.${url}` : url,
    ...(link ? { "set-cookie": cookieOf(link.token, secondsLeft, secure) } : {}),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-length": "0",
  };
}

function hostHeaderOf(request: NodeRequest): string | undefined {
  return headerOf(request, ":authority") ?? request.headers.host;
}

/** A client that takes us for a proxy sends the whole address. */
function pathOf(request: NodeRequest): string {
  const url = request.url ?? "/";
  if (url.startsWith("/") || url === "*") return url;
  const { pathname, search } = URL.canParse(url) ? new URL(url) : { pathname: "/", search: "" };
  return pathname + search;
}
