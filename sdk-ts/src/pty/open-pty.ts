/** Makes the handle of a terminal: of a new one, or of one that was opened before. */
import type { DataPlane } from "../data-plane/data-plane.ts";
import { execRequestOf } from "../exec/exec-request.ts";
import type { ProcessRef } from "../exec/exec-types.ts";
import { killOnAbort } from "../exec/kill-on-abort.ts";
import { ProcessCalls } from "../exec/process-calls.ts";
import { randomId } from "../random-id.ts";
import { Pty } from "./pty.ts";
import type { AttachPtyOptions, PtyOptions } from "./pty-types.ts";

/** bash sets SHELL to what the user's account names; where there is no bash, sh has run the line. */
const loginShell = '[ "$SHELL" ] || SHELL=/bin/sh; exec "$SHELL" -l';
const sighup = 1;

export async function openPty(plane: DataPlane, options: PtyOptions): Promise<Pty> {
  const { command = loginShell, columns = 80, rows = 24, processId = randomId(), signal } = options;
  signal?.throwIfAborted();
  const env = { TERM: "xterm-256color", ...options.env };
  const request = { ...execRequestOf(command, { ...options, env, pty: { columns, rows } }), processId };
  const calls = new ProcessCalls(plane, processId);
  const pty = new Pty({
    plane,
    calls,
    fromOffset: undefined,
    start: (way, call) => way.processes.exec(request, call),
    isFresh: (started) => !started.existed,
    signal: plane.signal(signal),
    onEnded: killOnAbort(calls, sighup, signal),
  });
  return pty.opened();
}

export async function attachPty(plane: DataPlane, ref: ProcessRef, options: AttachPtyOptions): Promise<Pty> {
  const { fromEnd = false, fromOffset = 0, signal } = options;
  const calls = new ProcessCalls(plane, ref);
  const pty = new Pty({
    plane,
    calls,
    fromOffset: fromEnd ? undefined : fromOffset,
    start: (way, call) => calls.attachAtEnd(way, call),
    isFresh: () => false,
    signal: plane.signal(signal),
    onEnded: () => undefined,
  });
  return pty.opened();
}
