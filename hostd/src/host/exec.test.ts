import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CommandError, createCommandRunner, planDaemonArgv, spawnDaemon } from "./exec.ts";
import { isAlive, killProcess, readProcess } from "./process-table.ts";

const runner = createCommandRunner();
const options = () => ({ signal: AbortSignal.timeout(10_000) });

test("gives what a command wrote, in the C locale, without our environment", async () => {
  const { stdout } = await runner.run(["env"], options());
  expect(stdout.trim().split("\n").sort()).toEqual([
    "LC_ALL=C",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ]);
  expect(await runner.run(["cat"], { ...options(), input: "in" })).toEqual({ stdout: "in", stderr: "" });
});

test("arguments are never a shell's", async () => {
  const odd = "$(id); `id` | * 'x' \"y\"";
  expect((await runner.run(["printf", "%s", odd], options())).stdout).toBe(odd);
});

test("a failure names command, code and what was said", async () => {
  const error = await runner.run(["ls", "/nonexistent"], options()).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(CommandError);
  expect(error).toMatchObject({ argv: ["ls", "/nonexistent"], exitCode: 2 });
  expect(String(error)).toMatch(/ls \/nonexistent: exited with 2: .*No such file/);
});

test("a program that is not there is a CommandError", async () => {
  await expect(runner.run(["/nonexistent/program"], options())).rejects.toThrow(/ENOENT/);
});

test("an abort ends the command and is its own reason", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => abort.abort(reason), 20);
  await expect(runner.run(["sleep", "60"], { signal: abort.signal })).rejects.toBe(reason);
});

test("a command that writes without end is ended", async () => {
  await expect(runner.run(["yes"], { ...options(), outputLimit: 1000 })).rejects.toThrow(/more than 1000 bytes/);
});

test("a command that does not read its input may end well", async () => {
  await runner.run(["true"], { ...options(), input: Buffer.alloc(1024 * 1024) });
});

test("a daemon of a VM's user sheds all privileges, in one process", () => {
  const owner = { uid: 70_000, gid: 70_001 };
  expect(planDaemonArgv(["/bin/vmm", "-x"], { owner, maxFileBytes: 9 }).join(" ")).toBe(
    "prlimit --core=0 --fsize=9 -- setpriv --reuid=70000 --regid=70001 --clear-groups --inh-caps=-all " +
      "--ambient-caps=-all --bounding-set=-all --no-new-privs -- /bin/vmm -x",
  );
  expect(planDaemonArgv(["/bin/vmm"], { owner, groups: [12, 34] })).toContain("--groups=12,34");
  expect(planDaemonArgv(["/bin/vmm"], {})).toEqual(["prlimit", "--core=0", "--", "/bin/vmm"]);
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "dnah-exec-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

test("a daemon has a session of its own, writes to its log, and tells its end", async () => {
  const cwd = await folder();
  const logFile = join(cwd, "log");
  const daemon = await spawnDaemon({ argv: ["sh", "-c", "echo out; echo err >&2; exec sleep 60"], cwd, logFile });
  expect(isAlive(daemon)).toBe(true);
  await expect.poll(() => readFile(logFile, "utf8")).toBe("out\nerr\n");
  expect((await stat(logFile)).mode & 0o777).toBe(0o600);
  const { stdout } = await runner.run(["ps", "-o", "sid=", "-p", String(daemon.pid)], options());
  expect(Number(stdout)).toBe(daemon.pid);
  killProcess(daemon, "SIGTERM");
  expect(await daemon.exited).toBe("ended by SIGTERM");
  expect(readProcess(daemon.pid)).toBeUndefined();
});

test("a daemon finds its input file open", async () => {
  const cwd = await folder();
  const logFile = join(cwd, "log");
  const daemon = await spawnDaemon({ argv: ["cat", "/dev/fd/3"], cwd, logFile, inputFile: "/proc/sys/kernel/ostype" });
  expect(await daemon.exited).toBe("exited with 0");
  expect(await readFile(logFile, "utf8")).toBe("Linux\n");
});

test("a daemon's log has a bound", async () => {
  const cwd = await folder();
  const logFile = join(cwd, "log");
  const daemon = await spawnDaemon({ argv: ["yes"], cwd, logFile, maxFileBytes: 100_000 });
  expect(await daemon.exited).toMatch(/ended by SIGXFSZ|exited with/);
  expect((await stat(logFile)).size).toBeLessThanOrEqual(100_000);
});

test("a daemon that can't enter its cgroup is ended", async () => {
  const cwd = await folder();
  const mark = `9999${process.pid}`;
  const spec = { argv: ["sleep", mark], cwd, logFile: join(cwd, "log"), cgroup: join(cwd, "absent") };
  await expect(spawnDaemon(spec)).rejects.toThrow(/ENOENT/);
  await expect(createCommandRunner().run(["pgrep", "-f", `sleep ${mark}`], options())).rejects.toThrow(/exited with 1/);
});

test("a daemon whose program is not there fails at once", async () => {
  const cwd = await folder();
  const spec = { argv: ["/nonexistent/vmm"], cwd, logFile: join(cwd, "log") };
  await expect(spawnDaemon(spec)).rejects.toThrow(/not an executable program/);
});
