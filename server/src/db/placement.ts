/** Picks a host by what host_loads says is spoken for on each. */
import { sql } from "kysely";
import type { HostRoom, PlacementRequest } from "../domain/placement.ts";
import type { DbOrTx } from "./schema.ts";

export interface PickedHost {
  readonly id: string;
  readonly hardwareIsolated: boolean;
  /** Of the root disk it will have: the template's, where more was not asked for. */
  readonly diskMib: number;
}

export interface PickOptions {
  /** Waits for hosts that another placement, or a delete, has just locked; else passes them over. */
  readonly wait: boolean;
}

const vcpusFree = sql`l.vcpus_offered - l.vcpus`;
/** Beside each VM's own memory its VMM takes some, also that of the one to be placed. */
const memoryFree = sql`l.memory_offered_mib - l.memory_mib - (l.vms + 1) * l.vm_overhead_mib`;
const diskFree = sql`h.disk_free_mib - l.disk_mib`;
/** free_share: of what it has least of, so that neither memory nor processors are left over. Load spreads. */
const emptiest = sql`l.free_share desc, l.host_id`;

/**
 * The best host with room, locked until the transaction ends. Two placements at once look at different hosts, and one that
 * changed between look and lock is looked at again by PostgreSQL itself: what comes back has room. Inside a transaction.
 */
export async function pickHost(
  tx: DbOrTx,
  request: PlacementRequest,
  options: PickOptions,
): Promise<PickedHost | undefined> {
  const { rows } = await pickQuery(request, options).execute(tx);
  return rows[0];
}

/** Exported for the test that looks at its plan. */
export function pickQuery(request: PlacementRequest, { wait }: PickOptions) {
  const diskMib = diskOf(request);
  return sql<PickedHost>`
    select h.id, h.hardware_isolated as "hardwareIsolated", ${diskMib} as "diskMib"
    from hosts h join host_loads l on l.host_id = h.id
    where h.state = 'ready' and ${isOpen(request)} and ${suits(request)}
      and ${vcpusFree} >= ${request.vcpus}
      and ${memoryFree} >= ${request.memoryMib}
      and ${diskFree} >= ${diskMib}
    order by ${emptiest}
    limit 1
    for no key update of l ${wait ? sql`` : sql`skip locked`}`;
}

export interface Hosts {
  /** Hosts that answer. */
  readonly ready: number;
  /** Of them, those that have what it starts from. */
  readonly suitable: number;
  /** Of them, those that take new sandboxes. */
  readonly open: number;
  /** One of the suitable ones would have room if it were empty. */
  readonly everFits: boolean;
  /** The emptiest of the open ones, and how large a disk would be there. */
  readonly rooms: readonly (HostRoom & { readonly diskMib: number })[];
}

/** Why pickHost found none. */
export async function describeHosts(db: DbOrTx, request: PlacementRequest): Promise<Hosts> {
  const { rows } = await sql<Hosts>`
    with ready as (
      select h.id, ${suits(request)} as suits, ${isOpen(request)} as open, l.free_share,
        l.vcpus_offered >= ${request.vcpus}
          and l.memory_offered_mib >= ${request.memoryMib} + l.vm_overhead_mib as large,
        jsonb_build_object('hostId', h.id, 'vcpusFree', ${vcpusFree}, 'memoryFreeMib', ${memoryFree},
          'diskFreeMib', ${diskFree}, 'diskMib', ${diskOf(request)}) as room
      from hosts h join host_loads l on l.host_id = h.id
      where h.state = 'ready'
    )
    select count(*)::int as ready,
      count(*) filter (where suits)::int as suitable,
      count(*) filter (where suits and open)::int as open,
      coalesce(bool_or(large) filter (where suits), false) as "everFits",
      (select coalesce(jsonb_agg(room), '[]') from
        (select room from ready where suits and open order by free_share desc, id limit 3) emptiest) as rooms
    from ready`.execute(db);
  return rows[0] as Hosts;
}

function isOpen({ stays }: PlacementRequest) {
  return stays ? sql`true` : sql`not h.draining`;
}

function diskOf({ template, hostIds, takenOver, diskMib }: PlacementRequest) {
  return hostIds || takenOver
    ? sql<number>`${diskMib}::int`
    : sql<number>`greatest(${diskMib}::int, (h.template_disks ->> ${template})::int)`;
}

function suits(request: PlacementRequest) {
  const { cpuClass } = request;
  const having = hasWhatItNeeds(request);
  return cpuClass === undefined ? having : sql`(${having} and h.cpu_class = ${cpuClass})`;
}

function hasWhatItNeeds({ template, hostIds, takenOver }: PlacementRequest) {
  if (hostIds) return sql`h.id = any(${hostIds as string[]})`;
  if (!takenOver) return sql`h.template_disks ? ${template}`;
  const { driver, architecture, except } = takenOver;
  return sql`(h.driver = ${driver} and h.architecture = ${architecture} and h.id <> all(${except as string[]}))`;
}
