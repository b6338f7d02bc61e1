// Locks on versions of objects (Object Lock). https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
import {
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
} from "@aws-sdk/client-s3";
import type { CallOptions } from "../runtime.ts";
import type { LockedObject, Locks } from "./capabilities.ts";
import { needing } from "./s3-errors.ts";
import { listObjects } from "./s3-list.ts";
import { headObject, isMissing, lockMode, lockState, type S3Place } from "./s3-objects.ts";

const DAYS_PER_YEAR = 365;

export function s3Locks(place: S3Place): Locks {
  const { connection, location, names } = place;
  const versionOf = (key: string, versionId: string) => ({ Bucket: connection.bucket, Key: names.nameOf(key), VersionId: versionId });
  const locks: Locks = {
    place: "a bucket that was made with Object Lock",
    defaults: async (options) => {
      const input = { Bucket: connection.bucket };
      const step = async () => {
        const what = `ask for locks in ${location}`;
        return await connection
          .ask(what, (client, send) => client.send(new GetObjectLockConfigurationCommand(input), send), options)
          .catch(needing("s3:GetBucketObjectLockConfiguration"));
      };
      const answer = await unless(step, "ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound", "NotImplemented");
      if (answer?.ObjectLockConfiguration?.ObjectLockEnabled !== "Enabled") return undefined;
      const { Mode: mode, Days: days, Years: years = 0 } = answer.ObjectLockConfiguration.Rule?.DefaultRetention ?? {};
      return { retention: mode === undefined ? undefined : { mode: lockMode(mode), days: days ?? years * DAYS_PER_YEAR } };
    },
    lock: async (key, versionId, { retention, legalHold }, options) => {
      const what = `lock ${key} in ${location}`;
      if (retention !== undefined) {
        const { mode, until } = retention;
        const input = {
          ...versionOf(key, versionId),
          Retention: { Mode: mode === "compliance" ? ("COMPLIANCE" as const) : ("GOVERNANCE" as const), RetainUntilDate: until },
        };
        await connection.ask(what, (client, send) => client.send(new PutObjectRetentionCommand(input), send), options).catch(needing("s3:PutObjectRetention"));
      }
      if (legalHold === undefined) return;
      const input = { ...versionOf(key, versionId), LegalHold: { Status: legalHold ? ("ON" as const) : ("OFF" as const) } };
      await connection.ask(what, (client, send) => client.send(new PutObjectLegalHoldCommand(input), send), options).catch(needing("s3:PutObjectLegalHold"));
    },
    state: async (key, versionId, options) => {
      const what = `ask for the lock of ${key} in ${location}`;
      const input = versionOf(key, versionId);
      const retention = () =>
        connection.ask(what, (client, send) => client.send(new GetObjectRetentionCommand(input), send), options).catch(needing("s3:GetObjectRetention"));
      const hold = () =>
        connection.ask(what, (client, send) => client.send(new GetObjectLegalHoldCommand(input), send), options).catch(needing("s3:GetObjectLegalHold"));
      const [kept, held] = [await unless(retention, ...UNLOCKED), await unless(hold, ...UNLOCKED)];
      const { Mode: mode, RetainUntilDate: until } = kept?.Retention ?? {};
      return lockState(mode, until, held?.LegalHold?.Status);
    },
    canHold: async (options) => (await locks.defaults(options)) !== undefined,
    list: (prefix, options) => locked(place, locks, prefix, options),
  };
  return locks;
}

/** By HEAD: one request, where asking for both kinds of locks takes two more. To who may not ask for one of them, it says nothing of that: so the first is asked for. */
async function* locked(place: S3Place, locks: Locks, prefix: string, options: CallOptions): AsyncGenerator<LockedObject> {
  let mayAsk = false;
  for await (const { key } of listObjects(place, prefix, options)) {
    const { lock, info } = (await headObject(place, key, options)) ?? {};
    if (lock === undefined || info?.versionId === undefined) continue;
    if (!mayAsk) await locks.state(key, info.versionId, options);
    mayAsk = true;
    if (lock.legalHold || lock.retention !== undefined) yield { key, lock };
  }
}

/** How S3 says that a version has no lock: the last where the bucket was made without ("Bucket is missing Object Lock Configuration"). */
const UNLOCKED = ["NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"];

async function unless<T>(step: () => Promise<T>, ...reasons: readonly string[]): Promise<T | undefined> {
  return await step().catch((error: unknown) => {
    if (isMissing(error, ...reasons)) return undefined;
    throw error;
  });
}
