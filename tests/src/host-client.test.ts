/** The fake that stands for hosts in the control plane's tests does as the real daemon: both pass one contract. */
import { describeHostClient } from "../../server/src/hosts/host-client.contract.ts";
import { makePlatformKeys } from "../../server/src/pki/platform-keys.ts";
import { createServerPki } from "../../server/src/pki/server-pki.ts";
import { realDaemon } from "./testing/real-daemon.ts";

const pki = await createServerPki(await makePlatformKeys(Date.now()), Date.now());

describeHostClient("the real daemon over mutual TLS", async () => {
  const stack = new AsyncDisposableStack();
  const { client, behind } = stack.use(await realDaemon(pki, "h1"));
  const { client: other } = stack.use(await realDaemon(pki, "h2"));
  return { client, other, host: behind, [Symbol.asyncDispose]: () => stack.disposeAsync() };
});
