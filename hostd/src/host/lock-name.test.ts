import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { lockName } from "./lock-name.ts";

test("a name is one holder's until it lets go", async () => {
  const name = `test one ${process.pid}`;
  {
    using _lock = await lockName(name, "taken");
    await expect(lockName(name, "taken")).rejects.toThrow("taken");
  }
  using _again = await lockName(name, "taken");
});

test("keeps no connection, which anybody could open", async () => {
  const name = `test two ${process.pid}`;
  using _lock = await lockName(name, "taken");
  const socket = connect(`\0daytonah-hostd:${name}`).resume();
  await once(socket, "close", { signal: AbortSignal.timeout(2_000) });
});
