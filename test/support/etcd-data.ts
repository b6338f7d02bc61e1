// Many writes in little time through etcd3: what a test's keyspace is made of.
import { createHash } from "node:crypto";
import type { Etcd3 } from "etcd3";

export interface KeyValueBytes {
  readonly key: string | Buffer;
  readonly value: string | Uint8Array;
  /** A lease id as etcd3 gives it, decimal. */
  readonly lease?: string;
}

/** etcd's default --max-txn-ops is 128. */
const OPERATIONS_PER_TXN = 100;
const IN_FLIGHT = 16;

/**
 * Puts all rows; `perRevision` of them share one transaction, and so one revision (1 where left out). Calls run side by side:
 * rows of one call must not overwrite each other unless it does not matter which wins.
 */
export async function putMany(client: Etcd3, rows: Iterable<KeyValueBytes>, perRevision = 1): Promise<void> {
  await inParallel(batches(rows, Math.min(perRevision, OPERATIONS_PER_TXN)), async (batch) => {
    const operations = batch.map(({ key, value, lease }) => ({
      request_put: { key: Buffer.from(key), value: Buffer.from(value), ...(lease === undefined ? {} : { lease }) },
    }));
    await client.kv.txn({ compare: [], success: operations, failure: [] });
  });
}

/** Deletes each key, at a revision of its own. */
export async function deleteMany(client: Etcd3, keys: Iterable<string | Buffer>): Promise<void> {
  await inParallel(keys, async (key) => {
    await client.kv.deleteRange({ key: Buffer.from(key) });
  });
}

/** A lease that nothing keeps alive; resolves to its id, decimal. */
export async function grantLease(client: Etcd3, ttlSeconds: number): Promise<string> {
  return (await client.leaseClient.leaseGrant({ TTL: ttlSeconds })).ID;
}

/** Key and value as `comparable` gives them. */
export interface ReadKeyValue {
  readonly key: string;
  readonly value: string;
}

/** Every live key with its value, as of one revision, in key order. */
export async function readAll(client: Etcd3, revision = "0"): Promise<ReadKeyValue[]> {
  const everything = Buffer.of(0);
  const answer = await client.kv.range({ key: everything, range_end: everything, revision });
  return answer.kvs.map(({ key, value }) => ({ key: comparable(key), value: comparable(value) }));
}

/** Bytes for `toEqual`, which takes seconds for a megabyte of them: base64, or size and SHA-256 where that is shorter. */
export function comparable(bytes: Buffer): string {
  if (bytes.length <= 48) return bytes.toString("base64");
  return `${bytes.length} bytes, SHA-256 ${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The store's revision, read linearizably. */
export async function currentRevision(client: Etcd3): Promise<bigint> {
  return BigInt((await client.kv.range({ key: Buffer.of(0), count_only: true })).header.revision);
}

async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

function* batches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
