/** The id that one client request keeps from the edge to the guest's agent, in logs and errors. */
import { randomUUID } from "node:crypto";
import { createContextKey } from "@connectrpc/connect";

export const requestIdHeader = "x-request-id";

export const requestIdKey = createContextKey<string>("", { description: "request id" });

/** The caller's id where it is a decent one, else a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(header) ? header : newRequestId();
}

/** 60 random bits as 16 hex digits. randomUUID draws its bytes from a pool: randomBytes costs a system call each time. */
function newRequestId(): string {
  return randomUUID().replaceAll("-", "").slice(0, 16);
}
