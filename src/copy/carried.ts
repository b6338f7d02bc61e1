// What a copy brings along with a cluster's backups, so that it can be saved to and restored from as the source can: the restore records, and the cluster
// file where nobody has written one there since. docs/repository-format.md, "Copies".
import { isDeepStrictEqual } from "node:util";
import { collect, streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import { type ClusterFile, readClusterFile, writeClusterFile } from "../repository/cluster-file.ts";
import { DOCUMENT_SIZE_BYTES_MAX } from "../repository/document.ts";
import { restoreKey, restoresPrefix } from "../repository/names.ts";
import { readRestoreRecord } from "../repository/sidecars.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";

/** Before any backup: one that is there without its cluster file nobody could continue. `file`: to be written, in place of the one of `version`. */
export async function carryBinding(
  source: Storage,
  target: Storage,
  cluster: string,
  binding: { readonly file: ClusterFile; readonly version: string | undefined } | undefined,
  options: CallOptions & { readonly runtime: Pick<Runtime, "log"> },
): Promise<void> {
  for (const key of await restoreRecordKeys(source, cluster, options)) await carryRecord(source, target, cluster, key, options);
  if (binding === undefined) return;
  if (await isDone(writeClusterFile(target, binding.file, binding.version, options))) return;
  const present = await readClusterFile(target, cluster, options);
  if (isDeepStrictEqual(present?.file, binding.file)) return;
  throw new EtcdsafeError("STORAGE_CONFLICT", `somebody else has bound ${cluster} in ${target.location} meanwhile`);
}

async function restoreRecordKeys(storage: Storage, cluster: string, options: CallOptions): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(restoresPrefix(cluster, ""), options)) keys.push(key);
  return keys;
}

/** Byte for byte, under the same key; where another restore of the same cluster id has that in the target, under the one with its time. */
async function carryRecord(
  source: Storage,
  target: Storage,
  cluster: string,
  key: string,
  options: CallOptions & { readonly runtime: Pick<Runtime, "log"> },
): Promise<void> {
  const bytes = await wholeOf(source, key, options);
  if (await isThere(target, key, bytes, options)) return;
  try {
    const { clusterId, restoredAt } = await readRestoreRecord(source, key, options);
    const timed = restoreKey(cluster, clusterId, new Date(restoredAt));
    if (timed === key || !(await isThere(target, timed, bytes, options)))
      options.runtime.log({ level: "warn", message: `${key} is not carried over: ${target.location} has another restore on record under that key` });
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || (error.code !== "REPOSITORY_INVALID" && error.code !== "REPOSITORY_UNSUPPORTED")) throw error;
    options.runtime.log({ level: "warn", message: `${error.message}; it is not carried over` });
  }
}

/** Puts it there, unless something is. Whether these bytes are there afterwards. */
async function isThere(target: Storage, key: string, bytes: Uint8Array, { signal }: CallOptions): Promise<boolean> {
  if ((await target.stat(key, { signal })) === undefined && (await isDone(target.put(key, streamOf(bytes), { signal, ifAbsent: true })))) return true;
  return Buffer.compare(await wholeOf(target, key, { signal }), bytes) === 0;
}

/** False where somebody else was faster: another copy, begun at the same time, carries the same. */
async function isDone(written: Promise<unknown>): Promise<boolean> {
  try {
    await written;
    return true;
  } catch (error) {
    if (hasCode(error, "STORAGE_CONFLICT")) return false;
    throw error;
  }
}

function wholeOf(storage: Storage, key: string, { signal }: CallOptions): Promise<Uint8Array> {
  return collect(storage.read(key, { signal }), DOCUMENT_SIZE_BYTES_MAX, () => new EtcdsafeError("REPOSITORY_INVALID", `${key} is too long`));
}
