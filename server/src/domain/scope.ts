/** What an API key may do. */
export const scopes = ["sandboxes:read", "sandboxes:write", "keys:write", "admin"] as const;

export type Scope = (typeof scopes)[number];

/** What a new key may do where its maker says nothing. */
export const defaultScopes = ["sandboxes:read", "sandboxes:write"] as const satisfies readonly Scope[];

/** What the first key of an organization may do. */
export const organizationScopes = [
  "sandboxes:read",
  "sandboxes:write",
  "keys:write",
] as const satisfies readonly Scope[];

export function isScope(text: string): text is Scope {
  return (scopes as readonly string[]).includes(text);
}
