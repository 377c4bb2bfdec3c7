/** The files of a multipart form, one after the other, as they come. */
import { on } from "node:events";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { Busboy } from "@fastify/busboy";

export interface FormFile {
  /** As the client wrote it; empty where it wrote none. */
  readonly filename: string;
  readonly content: AsyncIterable<Uint8Array>;
}

const limits = { files: 1_000, parts: 2_000, fieldSize: 4_096, headerPairs: 32, headerSize: 16 * 1024 };

/** Each file has to be read to its end before the next one comes. */
export async function* readForm(contentType: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<FormFile> {
  const form = openForm(contentType);
  const arrivals = on(form, "file", { close: ["finish"] });
  let broken: unknown;
  let tooMany = false;
  form.on("filesLimit", () => {
    tooMany = true;
  });
  form.on("partsLimit", () => {
    tooMany = true;
  });
  const fed = pipeline(body, form).catch((error: unknown) => {
    broken = error;
  });
  try {
    for await (const [, file, filename] of arrivals as AsyncIterable<[string, Readable, string | undefined]>) {
      form.once("close", () => file.destroy());
      yield { filename: filename ?? "", content: contentOf(file) };
    }
    await fed;
  } catch (error) {
    throw notWhole(broken ?? error);
  } finally {
    form.destroy();
  }
  if (broken) throw notWhole(broken);
  if (tooMany) throw fieldProblem("body", `a form may have ${limits.files} files`);
}

function openForm(contentType: string) {
  try {
    return new Busboy({ headers: { "content-type": contentType }, limits, preservePath: true });
  } catch {
    throw fieldProblem("content-type", "it must be multipart/form-data and name the form's boundary");
  }
}

async function* contentOf(file: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* file.iterator({ destroyOnReturn: false });
  } catch (error) {
    throw notWhole(error);
  }
}

function notWhole(error: unknown) {
  return fieldProblem("body", `it is no whole form: ${error instanceof Error ? error.message : "it broke off"}`);
}
