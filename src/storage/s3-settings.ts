// What the backend is told, together: the options, and where Gardener's credential files hold settings too, those (options win).
import { readFile } from "node:fs/promises";
import { EtcdsafeError } from "../errors.ts";
import { readS3Gardener } from "./s3-gardener.ts";
import type { S3Encryption, S3Settings } from "./settings.ts";

/** Parameters of requests, as the SDK names them. */
export interface S3Parameters {
  /** Of requests that make an object. */
  readonly write: {
    readonly StorageClass?: "STANDARD";
    readonly ServerSideEncryption?: "AES256" | "aws:kms";
    readonly SSEKMSKeyId?: string;
  };
  /** The key, where the store does not keep it: of every request that touches content. */
  readonly key: { readonly SSECustomerAlgorithm?: string; readonly SSECustomerKey?: string };
  /** The same, of the object that is copied from. */
  readonly source: { readonly CopySourceSSECustomerAlgorithm?: string; readonly CopySourceSSECustomerKey?: string };
}

export interface S3Plan {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly pathStyle: boolean;
  readonly requestChecksums: boolean;
  readonly parameters: S3Parameters;
  /** PEM of further certificate authorities. */
  readonly trustedCa: string | undefined;
}

/** SSE-C takes AES-256 keys. */
const CUSTOMER_KEY_SIZE_BYTES = 32;

/** Reads the files that the settings name. Throws CONFIG_INVALID. */
export async function s3Plan(s3: S3Settings): Promise<S3Plan> {
  const gardener = s3.credentials === undefined ? undefined : await readS3Gardener(s3.credentials);
  return {
    endpoint: s3.endpoint ?? gardener?.endpoint,
    region: s3.region ?? gardener?.region,
    pathStyle: s3.pathStyle || gardener?.pathStyle === true,
    requestChecksums: s3.requestChecksums && gardener?.requestChecksums !== false,
    parameters: await parametersOf(s3, gardener?.customerKey),
    trustedCa: gardener?.trustedCa,
  };
}

async function parametersOf({ encryption, storageClass }: S3Settings, gardenerKey: string | undefined): Promise<S3Parameters> {
  // The SDK's type lists Amazon's classes; compatibles have their own.
  const write = storageClass === undefined ? {} : { StorageClass: storageClass as "STANDARD" };
  if (encryption?.kind === "sse-s3") return { write: { ...write, ServerSideEncryption: "AES256" }, key: {}, source: {} };
  if (encryption?.kind === "sse-kms") {
    const keyId = encryption.keyId === undefined ? {} : { SSEKMSKeyId: encryption.keyId };
    return { write: { ...write, ServerSideEncryption: "aws:kms", ...keyId }, key: {}, source: {} };
  }
  const key = encryption === undefined ? gardenerKey && checkedKey(Buffer.from(gardenerKey), "the credentials") : await customerKey(encryption);
  if (!key) return { write, key: {}, source: {} };
  return {
    write,
    key: { SSECustomerAlgorithm: "AES256", SSECustomerKey: key },
    source: { CopySourceSSECustomerAlgorithm: "AES256", CopySourceSSECustomerKey: key },
  };
}

async function customerKey({ keyFile }: Extract<S3Encryption, { kind: "sse-c" }>): Promise<string> {
  const bytes = await readFile(keyFile).catch((cause: Error) => {
    throw new EtcdsafeError("CONFIG_INVALID", `the key of SSE-C in ${keyFile} cannot be read: ${cause.message}`, { cause });
  });
  return checkedKey(bytes, keyFile);
}

/** The base64 that the SDK passes on, of 32 bytes or of their base64. */
function checkedKey(bytes: Buffer, where: string): string {
  if (bytes.length === CUSTOMER_KEY_SIZE_BYTES) return bytes.toString("base64");
  const text = bytes.toString("latin1").trim();
  if (Buffer.from(text, "base64").length === CUSTOMER_KEY_SIZE_BYTES && /^[A-Za-z0-9+/]+=*$/.test(text)) return text;
  throw new EtcdsafeError("CONFIG_INVALID", `the key of SSE-C in ${where} is neither 32 bytes nor their base64`, {
    hint: "`openssl rand -base64 32` makes one.",
  });
}
