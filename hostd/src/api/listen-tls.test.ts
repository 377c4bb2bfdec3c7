import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http2 from "node:http2";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makePki } from "../testing/pki.ts";
import { listenTls } from "./listen-tls.ts";

test("connections that never show a certificate are few, and keep no server out", async () => {
  const dir = await mkdtemp(join(tmpdir(), "dnah-"));
  const pki = makePki(dir);
  const read = (name: string) => readFile(join(dir, name), "utf8");
  const identity = { ca: pki.ca, certificate: await read("host.pem"), key: await read("host.key") };
  await using listener = await listenTls({
    ...{ host: "127.0.0.1", port: 0, identity },
    handler: (_, response) => void (response as http2.Http2ServerResponse).end("hello"),
    onConnect: () => undefined,
  });
  const { port } = listener.address;
  const strangers = Array.from({ length: 300 }, () => net.connect(port, "127.0.0.1").on("error", () => undefined));
  await Promise.all(strangers.slice(0, 44).map((socket) => once(socket.resume(), "close")));
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca: pki.ca, ...pki.server });
  let text = "";
  for await (const chunk of session.request({ ":path": "/" })) text += String(chunk);
  expect(text).toBe("hello");
  session.destroy();
  for (const socket of strangers) socket.destroy();
  await rm(dir, { recursive: true });
});
