/** Two fake hosts under one server, for tests of moves between them. */
import { type Host, HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect } from "vitest";
import { createFakeHost, type FakeHost } from "../hosts/fake-host.ts";
import { createFakeWitness } from "../hosts/fake-witness.ts";
import { type TestServer, type TestServerOptions, testServer, until } from "./test-server.ts";

export interface TwoHosts extends AsyncDisposable {
  readonly server: TestServer;
  readonly a: FakeHost;
  readonly b: FakeHost;
  /** A new sandbox that runs on host a. */
  create(): Promise<string>;
  drainA(): Promise<void>;
  hostA(): Promise<Host>;
  rowOf(id: string): Promise<Readonly<Record<string, unknown>>>;
  /** It runs on this host, and has arrived: nothing of it is on the other one. */
  untilRunsOn(hostId: "a" | "b", id: string): Promise<void>;
}

/** When it is disposed, no sandbox may ever have been free to run on both. */
export async function twoHosts(
  offerOfB: Parameters<typeof createFakeHost>[1] = {},
  options: TestServerOptions = {},
): Promise<TwoHosts> {
  const witness = createFakeWitness();
  const [a, b] = [createFakeHost("a", {}, witness), createFakeHost("b", offerOfB, witness)];
  const server = await testServer({ host: a, otherHosts: [b], ...options });
  const [hosts, sandboxes] = [server.client(HostService), server.client(SandboxService)];
  const rowOf = async (id: string) => {
    const { rows } = await server.database.pool.query(
      "select state, epoch, host_id, transfer, transfer_resume from sandboxes where id = $1",
      [id],
    );
    return rows[0];
  };
  return {
    ...{ server, a, b, rowOf },
    async create() {
      await hosts.drainHost({ hostId: "b" });
      const { sandbox } = await sandboxes.createSandbox({});
      await hosts.undrainHost({ hostId: "b" });
      expect(sandbox?.hostId).toBe("a");
      return sandbox?.id ?? "";
    },
    async drainA() {
      await hosts.drainHost({ hostId: "a" });
    },
    async hostA() {
      return (await hosts.listHosts({})).hosts[0] as Host;
    },
    async untilRunsOn(hostId, id) {
      const [here, there] = hostId === "a" ? [a, b] : [b, a];
      const arrived = { state: "running", host_id: hostId, transfer: null, transfer_resume: false };
      await until(async () => {
        const { epoch, ...row } = await rowOf(id);
        return JSON.stringify(row) === JSON.stringify(arrived) && String(here.vms.get(id)?.epoch) === epoch;
      });
      await until(() => !there.vms.has(id));
      expect(here.vms.get(id)?.sealed).toBe(false);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      expect(witness.faults).toEqual([]);
    },
  };
}
