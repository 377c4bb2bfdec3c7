/**
 * A platform in memory: a second implementation of the public services, for tests of their clients. It has no VMs, and its
 * programs are those of fake-programs.ts.
 */
import type { ConnectRouter } from "@connectrpc/connect";
import { EventService } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { fakeAdminServices } from "./fake-admin-services.ts";
import { fakeEventService } from "./fake-event-service.ts";
import { fakeFileService } from "./fake-file-service.ts";
import { fakeLifeService } from "./fake-life-service.ts";
import { fakeMonitoringService } from "./fake-monitoring-service.ts";
import { fakePortService } from "./fake-port-service.ts";
import { fakeProcessService } from "./fake-process-service.ts";
import { fakeSandboxService } from "./fake-sandbox-service.ts";
import { fakeSearchService } from "./fake-search-service.ts";
import { FakeState } from "./fake-state.ts";
import { fakeWatchService } from "./fake-watch-service.ts";

export class FakePlatform extends FakeState {
  readonly routes = (router: ConnectRouter): void => {
    router.service(SandboxService, fakeSandboxService(this));
    router.service(EventService, fakeEventService(this));
    const { sandboxLife, snapshotService } = fakeLifeService(this);
    router.service(SandboxService, { ...fakeSandboxService(this), ...sandboxLife });
    router.service(SnapshotService, snapshotService);
    this.dataPlaneRoutes(router);
    fakeAdminServices(this, router);
  };

  /** What a host's edge answers too. */
  readonly dataPlaneRoutes = (router: ConnectRouter): void => {
    router.service(ProcessService, fakeProcessService(this));
    router.service(FileService, {
      ...fakeFileService(this),
      ...fakeWatchService(this),
      ...fakeSearchService(this),
    });
    router.service(PortService, fakePortService(this));
    router.service(MonitoringService, fakeMonitoringService(this));
  };
}
