// The request that makes an object visible, and what is looked at afterwards. An attempt whose answer was lost may have taken effect; tried again
// it conflicts with itself, or its upload is gone. Then what is there is looked at: the put's own random name in its metadata tells.
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { S3Step } from "./s3-client.ts";
import { reasonOf } from "./s3-errors.ts";
import { headObject, objectInfo, type S3Place } from "./s3-objects.ts";
import type { ObjectInfo, PutOptions } from "./storage.ts";

export interface Conditions {
  readonly IfNoneMatch?: "*";
  readonly IfMatch?: string;
}

/** What the store answers to a put. */
export interface Committed {
  readonly ETag?: string | undefined;
  readonly VersionId?: string | undefined;
}

export interface Commit {
  readonly key: string;
  /** "write a/b in s3://bucket" */
  readonly what: string;
  readonly putId: string;
  readonly conditions: Conditions;
}

/** A condition that does not hold, and (404) an object that is to be replaced but is not there, or an upload that is completed or aborted already. */
const CONFLICTS = new Set([404, 409, 412]);

export function conditionsOf({ ifAbsent, ifVersion }: PutOptions): Conditions {
  return { ...(ifAbsent === true && { IfNoneMatch: "*" as const }), ...(ifVersion !== undefined && { IfMatch: `"${ifVersion}"` }) };
}

/** Rejects with STORAGE_CONFLICT where a condition does not hold. */
export async function committed(place: S3Place, commit: Commit, step: S3Step<Committed>, options: CallOptions): Promise<Committed> {
  const { connection } = place;
  const { key, what, putId, conditions } = commit;
  try {
    return await connection.ask(
      what,
      async (client, send, attempt) => {
        try {
          return await step(client, send, attempt);
        } catch (error) {
          if (attempt === 1 || !CONFLICTS.has(reasonOf(error)?.status ?? 0)) throw error;
          const present = await headObject(place, key, options);
          if (present?.putId !== putId) throw error;
          return { ETag: present.info.version, VersionId: present.info.versionId };
        }
      },
      options,
    );
  } catch (error) {
    const isConditional = conditions.IfMatch !== undefined || conditions.IfNoneMatch !== undefined;
    const reason = reasonOf(error);
    if (isConditional && reason?.reason === "NoSuchKey") throw conflict(key, "it does not exist any more", error);
    if (reason?.status === 412 && conditions.IfMatch !== undefined) throw conflict(key, "it was changed since it was read", error);
    if (reason?.status === 412) throw (await isAbsent(place, key, options)) ? nameKept(place, key, error) : conflict(key, "it exists already", error);
    if (reason?.status === 409) throw conflict(key, "somebody else is writing it", error);
    throw error;
  }
}

/**
 * What was put, as the store tells of it, once its size was compared. Where the credentials may only write it is told without having been looked at,
 * with this host's time.
 */
export async function putInfo(place: S3Place, commit: Commit, result: Committed & { readonly sizeBytes: number }, options: CallOptions): Promise<ObjectInfo> {
  const { key, what, putId } = commit;
  const present = await headObject(place, key, options).catch((error: unknown) => {
    if (hasCode(error, "STORAGE_DENIED")) return undefined;
    throw error;
  });
  const { sizeBytes, ETag: etag, VersionId: versionId } = result;
  if (present?.putId !== putId) return objectInfo({ key, sizeBytes, modifiedAt: place.connection.runtime.now(), etag, versionId }); // Somebody was faster.
  if (present.info.sizeBytes === sizeBytes) return present.info;
  throw new EtcdsafeError("OBJECT_TRUNCATED", `cannot ${what}: ${sizeBytes} bytes were sent, ${present.info.sizeBytes} are stored`, {
    hint: "The store, or something before it, loses bytes: try another endpoint.",
  });
}

/** Whether it is known not to be there. */
async function isAbsent(place: S3Place, key: string, options: CallOptions): Promise<boolean> {
  return await headObject(place, key, options).then(
    (head) => head === undefined,
    () => false,
  );
}

function nameKept({ location }: S3Place, key: string, cause: unknown): EtcdsafeError {
  const message = `${key} was not written: it was deleted, and ${location} does not create again what was deleted`;
  return new EtcdsafeError("STORAGE_CONFLICT", message, { cause, hint: "`etcdsafe repo validate` tries that (create-after-removal): docs/stores.md." });
}

function conflict(key: string, why: string, cause: unknown): EtcdsafeError {
  return new EtcdsafeError("STORAGE_CONFLICT", `${key} was not written: ${why}`, { cause });
}
