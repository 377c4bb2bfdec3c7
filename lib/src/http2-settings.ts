/** HTTP/2 windows. The protocol's 64 KiB holds a fast stream back by a round trip for each 64 KiB. */
const streamWindowBytes = 4 * 1024 * 1024;

export const http2ServerSettings = {
  settings: { initialWindowSize: streamWindowBytes, maxConcurrentStreams: 10_000 },
  // Many small streams of one peer are our normal load, not an attack.
  maxSessionInvalidFrames: 1_000,
} as const;

export const http2ClientSettings = {
  settings: { initialWindowSize: streamWindowBytes, enablePush: false },
} as const;

/** For a session's own window, which settings don't reach: `session.setLocalWindowSize(...)`. */
export const http2SessionWindowBytes = 16 * 1024 * 1024;
