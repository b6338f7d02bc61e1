// The certificate that the agent shows, and its private key.
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { whyUnreadable } from "../../config/unreadable.ts";
import { EtcdsafeError } from "../../errors.ts";

export interface KeyFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly notAfter: Date;
}

/** Throws CONFIG_INVALID for what cannot serve: unreadable files, what is no PEM, a key of another certificate. */
export async function readKeyPair(files: KeyFiles): Promise<KeyPair> {
  const [cert, key] = await Promise.all([read(files.certFile), read(files.keyFile)]);
  try {
    createSecureContext({ cert, key });
    return { cert, key, notAfter: new Date(new X509Certificate(cert).validTo) };
  } catch (error) {
    const why = (error as Error).message.replace(/^error:[^:]*:/, "");
    throw invalid(`${files.certFile} and ${files.keyFile} are no certificate and its private key: ${why}`);
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw invalid(`${path} cannot be read: ${whyUnreadable(error)}`);
  }
}

function invalid(message: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", message, { hint: "Give the certificate (and those it was issued by) and its unencrypted key as PEM." });
}
