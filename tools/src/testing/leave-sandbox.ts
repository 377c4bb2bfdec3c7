/** Stands for tests that are about to be killed: starts a platform with a sandbox, says where, and waits. */
import { once } from "node:events";
import { connectApi, testPlatform } from "../../../tests/src/testing/api.ts";
import { startTestPlatform } from "../test-platform.ts";

const { DNAH_TEST_BUNDLE: bundle = "", DNAH_VHOST_DEVICE_VSOCK: vhostDeviceVsock = "" } = process.env;
await using platform = await startTestPlatform({ bundle, vhostDeviceVsock, invm: "" });
await connectApi(testPlatform(platform.env)).sandboxes.createSandbox({});
const { DNAH_TEST_DATA_DIR: dataDir, DNAH_TEST_FIRST_UID: firstUid } = platform.env;
console.log(JSON.stringify({ dataDir, firstUid: Number(firstUid) }));
await once(process, "SIGTERM");
