// Where S3 keeps a key, and what it tells of an object.
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { LockMode, LockState } from "./capabilities.ts";
import { type ObjectNames, objectNames } from "./object-names.ts";
import type { S3Connection } from "./s3-client.ts";
import { reasonOf } from "./s3-errors.ts";
import type { ObjectInfo } from "./storage.ts";

/** An opened repository in a bucket. */
export interface S3Place {
  readonly connection: S3Connection;
  /** s3://bucket/prefix */
  readonly location: string;
  readonly names: ObjectNames;
}

export interface S3Head {
  readonly info: ObjectInfo;
  /** What the put that made it wrote into its metadata. */
  readonly putId: string | undefined;
  /** Without a lock where these credentials may not ask for it. */
  readonly lock: LockState;
}

/** In the metadata of every object: the random name of the put that made it, by which a put whose answer was lost knows its own. */
export const PUT_ID = "etcdsafe-put";
const NAME_SIZE_BYTES_MAX = 1024;

export function s3Names(prefix: string): ObjectNames {
  return objectNames(prefix, isPlain);
}

/**
 * S3 takes any 1,024 bytes, but clients and proxies take `.` and `..` for directories, XML cannot hold control characters, and stores that keep
 * files cannot hold empty parts.
 */
function isPlain(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (Buffer.byteLength(name) > NAME_SIZE_BYTES_MAX || /[\0-\x1f\x7f\ufffe\uffff]/.test(name) || !name.isWellFormed()) return false;
  return !name.split("/").some((part) => part === "" || part === "." || part === "..");
}

/** Undefined where there is none. */
export async function headObject({ connection, location, names }: S3Place, key: string, options: CallOptions): Promise<S3Head | undefined> {
  const { bucket, parameters } = connection;
  const input = { Bucket: bucket, Key: names.nameOf(key), ...parameters.key };
  try {
    const head = await connection.ask(`look up ${key} in ${location}`, (client, send) => client.send(new HeadObjectCommand(input), send), options);
    const { ContentLength: sizeBytes = 0, LastModified: modifiedAt, ETag: etag, VersionId: versionId, Metadata: metadata } = head;
    const lock = lockState(head.ObjectLockMode, head.ObjectLockRetainUntilDate, head.ObjectLockLegalHoldStatus);
    return { info: objectInfo({ key, sizeBytes, modifiedAt, etag, versionId }), putId: metadata?.[PUT_ID], lock };
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
}

export function lockState(mode: string | undefined, until: Date | undefined, legalHold: string | undefined): LockState {
  return { retention: mode === undefined || until === undefined ? undefined : { mode: lockMode(mode), until }, legalHold: legalHold === "ON" };
}

export function lockMode(mode: string): LockMode {
  return mode === "COMPLIANCE" ? "compliance" : "governance";
}

interface Told {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date | undefined;
  readonly etag: string | undefined;
  readonly versionId: string | undefined;
}

/** `null` is the version id of what was written while the bucket kept no versions. */
export function objectInfo({ key, sizeBytes, modifiedAt, etag = "", versionId }: Told): ObjectInfo {
  const version = etag.replace(/^"(.*)"$/, "$1");
  const info = { key, sizeBytes, modifiedAt: wholeSeconds(modifiedAt), version };
  return versionId === undefined || versionId === "null" ? info : { ...info, versionId };
}

/** HTTP headers tell seconds, lists more: what is told twice must be the same. */
function wholeSeconds(time: Date | undefined): Date {
  return new Date(Math.floor((time?.getTime() ?? 0) / 1000) * 1000);
}

/** Whether the store said that it is not there, or does not know of such a thing. */
export function isMissing(error: unknown, ...reasons: readonly string[]): boolean {
  return reasons.includes(reasonOf(error)?.reason ?? "");
}
