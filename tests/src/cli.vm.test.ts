/** The command line, as a person types it, against a running platform. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dnah } from "./testing/dnah.ts";

const { DNAH_TEST_DATA_DIR } = process.env;

test("run passes output, errors and the exit code through", async () => {
  const ended = await dnah(["run", "--", "bash", "-c", "echo out; echo err >&2; exit 7"]);
  expect(ended).toMatchObject({ code: 7, stdout: "out\n" });
  expect(ended.stderr).toContain("err\n");
});

test("create, cp both ways, exec with input, ls and rm", async () => {
  const id = (await dnah(["create"])).stdout.trim();
  expect(id).toMatch(/^[a-z0-9]{20}$/);
  expect((await dnah(["cp", "-", `${id}:/tmp/hello`], "hello\n")).code).toBe(0);
  expect(await dnah(["cp", `${id}:/tmp/hello`, "-"])).toMatchObject({ code: 0, stdout: "hello\n" });
  expect(await dnah(["exec", "-i", id, "--", "tr", "a-z", "A-Z"], "abc")).toMatchObject({ code: 0, stdout: "ABC" });
  const listed = JSON.parse((await dnah(["--json", "ls"])).stdout) as { id: string; state: string }[];
  expect(listed.find((sandbox) => sandbox.id === id)?.state).toBe("running");
  expect((await dnah(["rm", id])).code).toBe(0);
  const gone = await dnah(["exec", id, "--", "true"]);
  expect(gone.code).toBe(125);
  expect(gone.stderr).toMatch(/^dnah: .+\nnext: .+\n$/);
});

test("cp -r copies a directory with all below it, both ways, with modes and links", async () => {
  const home = mkdtempSync(join(tmpdir(), "dnah-cp-"));
  const id = (await dnah(["create"])).stdout.trim();
  try {
    mkdirSync(join(home, "tree/deep"), { recursive: true });
    writeFileSync(join(home, "tree/deep/run.sh"), "echo hello", { mode: 0o755 });
    symlinkSync("deep/run.sh", join(home, "tree/link"));
    expect(await dnah(["cp", "-r", join(home, "tree"), `${id}:copy`])).toMatchObject({ code: 0, stderr: "" });
    expect((await dnah(["exec", id, "--", "sh", "copy/link"])).stdout).toBe("hello\n");
    // Into a directory that is there, it keeps its name.
    expect(await dnah(["cp", "-r", join(home, "tree"), `${id}:copy`])).toMatchObject({ code: 0 });
    expect((await dnah(["exec", id, "--", "ls", "copy"])).stdout).toBe("deep\nlink\ntree\n");
    expect(await dnah(["cp", "-r", `${id}:copy/tree`, join(home, "back")])).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(join(home, "back/deep/run.sh"), "utf8")).toBe("echo hello");
    expect(statSync(join(home, "back/deep/run.sh")).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(home, "back/link"))).toBe("deep/run.sh");
  } finally {
    rmSync(home, { recursive: true });
    await dnah(["rm", id]);
  }
});

test("doctor says that sandboxes can run here, by which driver, and why", async () => {
  const { code, stdout } = await dnah(["--json", "doctor", "--data-dir", DNAH_TEST_DATA_DIR as string]);
  const report = JSON.parse(stdout) as {
    usable: boolean;
    driver: { name: string; reason: string };
    findings: { name: string; good: string; mend?: string }[];
  };
  expect(code).toBe(0);
  expect(report.usable).toBe(true);
  expect(["cloud-hypervisor", "qemu"]).toContain(report.driver.name);
  expect(report.findings.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      "root",
      "kvm",
      "cloud-hypervisor",
      "landlock",
      "qemu",
      "vsock device",
      "reflinks",
      "disk space",
      "cgroup limits",
      "nftables",
    ]),
  );
  // What lacks says how to mend it.
  expect(report.findings.filter(({ good, mend }) => good !== "yes" && mend === undefined)).toEqual([]);
});
