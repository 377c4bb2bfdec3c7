/** A gRPC client of another stack, Python's, speaks to the real platform over h2c. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { generateStubs, pythonWithGrpc } from "../grpc-python/stubs.ts";
import { testPlatform } from "./testing/api.ts";

const run = promisify(execFile);
const client = resolve(import.meta.dirname, "../grpc-python/client.py");

test("Python's grpcio creates a sandbox, streams a program's output, reads a typed error and deletes", async () => {
  const { url, apiKey } = testPlatform();
  const stubs = mkdtempSync(join(tmpdir(), "dnah-stubs-"));
  try {
    const python = await pythonWithGrpc();
    await generateStubs(python, stubs);
    const program = ["sh", "-c", "echo out; sleep 0.3; echo err >&2; sleep 0.3; exit 7"];
    const { stdout } = await run(python, [client, new URL(url).host, ...program], {
      env: { ...process.env, PYTHONPATH: stubs, DNAH_API_KEY: apiKey },
      timeout: 150_000,
    });
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: "created", id: expect.stringMatching(/^[a-z0-9]{20}$/), state: "SANDBOX_STATE_RUNNING" },
      { event: "output", stream: "OUTPUT_STREAM_STDOUT", text: "out\n" },
      { event: "output", stream: "OUTPUT_STREAM_STDERR", text: "err\n" },
      { event: "exited", exit_code: 7 },
      {
        event: "error",
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("memory_mib"),
        reason: "ERROR_REASON_FIELD_INVALID",
        next_step: expect.stringMatching(/./),
        fields: ["resources.memory_mib"],
        request_id: expect.stringMatching(/./),
      },
      { event: "deleted" },
    ]);
  } finally {
    rmSync(stubs, { recursive: true });
  }
});
