import { vmmContract } from "../vmm.contract.ts";
import { makeChHarness } from "./testing/harness.ts";
import { standIn } from "./testing/stand-in-subject.ts";

vmmContract("cloud-hypervisor (stand-in)", () => makeChHarness(standIn()));
