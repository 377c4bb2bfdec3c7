/**
 * The folder with what the daemon shows and believes: ca.pem, bearer, host.pem, host.key; and next.key, for which a
 * certificate was asked. The keys are made here and leave it never.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { makeRequest, newKey } from "./make-request.ts";

export interface HostPki {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly bearer: string;
  readonly expireTime: Date;
}

export class PkiDir {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Finishes an installation that was cut off: the certificate's name is the point of no return. */
  read(): HostPki {
    const certificate = new X509Certificate(this.#read("host.pem"));
    if (this.#has("next.key") && fits(certificate, this.#read("next.key"))) this.#rename("next.key", "host.key");
    return {
      ca: this.#read("ca.pem"),
      certificate: certificate.toString(),
      key: this.#read("host.key"),
      bearer: this.#read("bearer").trim(),
      expireTime: certificate.validToDate,
    };
  }

  /** For a new key, or for the one that was asked for before and is still without its certificate. */
  async request(): Promise<Uint8Array> {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    if (!this.#has("next.key")) this.#write("next.key", newKey());
    return makeRequest(this.#read("next.key"));
  }

  /** Throws FIELD_INVALID where it is not for the key of the last request, or of another authority. */
  install(pem: string): HostPki {
    const certificate = readCertificate(pem);
    if (!this.#has("next.key") || !certificate || !fits(certificate, this.#read("next.key"))) {
      throw fieldProblem("certificate", "must be for the key of the last request.");
    }
    if (!certificate.verify(new X509Certificate(this.#read("ca.pem")).publicKey)) {
      throw fieldProblem("certificate", "must be of the authority that this host joined.");
    }
    this.#write("host.pem", pem);
    return this.read();
  }

  /** What a joining gave. */
  join(files: { readonly authority: string; readonly bearer: string; readonly hostId: string }): void {
    this.#write("ca.pem", files.authority);
    this.#write("bearer", files.bearer);
    this.#write("host-id", files.hostId);
  }

  #read(name: string): string {
    return readFileSync(join(this.#dir, name), "utf8");
  }

  #has(name: string): boolean {
    return existsSync(join(this.#dir, name));
  }

  /** Whole or not at all, for the owner alone. */
  #write(name: string, text: string): void {
    const file = openSync(join(this.#dir, `${name}.new`), "w", 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    this.#rename(`${name}.new`, name);
  }

  #rename(from: string, to: string): void {
    renameSync(join(this.#dir, from), join(this.#dir, to));
  }
}

function fits(certificate: X509Certificate, key: string): boolean {
  return certificate.checkPrivateKey(createPrivateKey(key));
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
