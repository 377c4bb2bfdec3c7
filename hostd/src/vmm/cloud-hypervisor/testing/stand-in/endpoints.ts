import type { ChDisk, ChNet, ChRestore, ChVmConfig } from "../../api-types.ts";
import type { Answer, Request } from "./http.ts";
import { Refusal } from "./refusal.ts";
import type { Settings } from "./settings.ts";
import type { Vmm } from "./vmm.ts";

type Validator = ((body: unknown) => boolean) & { readonly errors?: unknown };
/** "PUT /vm.create" → what its body must be by the OpenAPI document; null where it has none. */
export type Validators = Readonly<Record<string, Validator | null>>;

/** Its answer's body; none where it gives none. */
type Handler = (body: never) => object | void | Promise<void>;

const BASE = "/api/v1";

/** From a request to the VMM. A request that the OpenAPI document does not have is refused, and so fails its test. */
export function createEndpoints(vmm: Vmm, settings: Settings, validators: Validators, exit: () => void) {
  const handlers = handlersOf(vmm, settings);
  return async ({ method, path, body }: Request): Promise<Answer> => {
    try {
      const endpoint = path.startsWith(BASE) ? path.slice(BASE.length) : "";
      if (!Object.keys(validators).some((one) => one.endsWith(` ${endpoint}`))) {
        return refusal(404, ["Not Found"]);
      }
      const validator = validators[`${method} ${endpoint}`];
      if (validator === undefined || (validator === null) !== (body === undefined)) {
        return refusal(400, ["Bad Request"]);
      }
      if (endpoint === "/vmm.shutdown") {
        setImmediate(exit);
        return { status: 200 };
      }
      if (endpoint === settings.diesAt) {
        console.error("==== Possible seccomp violation ====");
        process.kill(process.pid, "SIGSYS");
      }
      const handler = handlers[endpoint];
      if (handler === undefined) {
        throw new Refusal(500, "stand-in", `${endpoint} is not imitated`);
      }
      const result = await handler(parse(validator, body) as never);
      return result === undefined ? { status: 204 } : { status: 200, body: JSON.stringify(result) };
    } catch (error) {
      if (error instanceof Refusal) {
        return refusal(error.status, error.chain);
      }
      console.error(error);
      return refusal(500, ["stand-in", String(error)]);
    }
  };
}

function handlersOf(vmm: Vmm, settings: Settings): Readonly<Record<string, Handler>> {
  const { version } = settings;
  const numbers = `${version.replace(/^v/, "")}.0`;
  return {
    "/vmm.ping": () => ({ build_version: version, version: numbers, pid: process.pid, features: ["io_uring", "kvm"] }),
    "/vm.info": () => vmm.info(),
    "/vm.create": (body: ChVmConfig) => vmm.create(body),
    "/vm.boot": () => vmm.boot(),
    "/vm.pause": () => vmm.pause(),
    "/vm.resume": () => vmm.resume(),
    "/vm.snapshot": (body: { destination_url: string }) => vmm.snapshot(body.destination_url),
    "/vm.restore": (body: ChRestore) => vmm.restore(body),
    "/vm.resize": (body: { desired_vcpus: number }) => vmm.resizeVcpus(body.desired_vcpus),
    "/vm.resize-disk": (body: { id: string; desired_size: number }) => vmm.resizeDisk(body.id, body.desired_size),
    "/vm.add-disk": (body: ChDisk) => vmm.addDisk(body),
    "/vm.add-net": (body: ChNet) => vmm.addNet(body),
    "/vm.remove-device": (body: { id: string }) => vmm.removeDevice(body.id),
    "/vm.delete": () => vmm.delete(),
    "/vm.shutdown": () => vmm.shutDown(),
  };
}

function parse(validator: Validator | null, body: string | undefined): unknown {
  if (validator === null || body === undefined) {
    return undefined;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    throw new Refusal(400, "Failed to deserialize JSON", String(error));
  }
  if (!validator(parsed) && !isLater(parsed)) {
    throw new Refusal(400, "stand-in: not what the OpenAPI document says", JSON.stringify(validator.errors));
  }
  return parsed;
}

/** What came after the document, and is asked for on purpose. */
function isLater(body: unknown): boolean {
  return (body as Partial<ChRestore> | null)?.memory_restore_mode === "CopyOnWrite";
}

function refusal(status: number, chain: readonly string[]): Answer {
  return { status, body: JSON.stringify(chain) };
}
