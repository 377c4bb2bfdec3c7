/**
 * A platform in memory: a second implementation of the public services, for tests of their clients. It has no VMs, and its
 * programs are those of fake-programs.ts.
 */
import type { ConnectRouter } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { fakeAdminServices } from "./fake-admin-services.ts";
import { fakeFileService } from "./fake-file-service.ts";
import { fakeProcessService } from "./fake-process-service.ts";
import { fakeSandboxService } from "./fake-sandbox-service.ts";
import { FakeState } from "./fake-state.ts";

export class FakePlatform extends FakeState {
  readonly routes = (router: ConnectRouter): void => {
    router.service(SandboxService, fakeSandboxService(this));
    router.service(ProcessService, fakeProcessService(this));
    router.service(FileService, fakeFileService(this));
    fakeAdminServices(this, router);
  };
}
