// Rows of etcd's buckets as etcd itself encodes them (etcd-formats §3), written independently of src/etcd-files/mvcc so that tests of it mean something.
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";

export interface TestKeyValue {
  readonly key: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Uint8Array;
  /** 0n: none. */
  readonly lease: bigint;
}

export interface TestLease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly remainingTtlSeconds?: number;
}

export interface TestMember {
  readonly id: bigint;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs?: readonly string[];
  readonly isLearner?: boolean;
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function u64(value: bigint | number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
  return bytes;
}

/** The key of a row of `key`: main, `_`, sub, and `t` for a tombstone. */
export function revisionKey(main: number | bigint, sub = 0, tombstone = false): Uint8Array {
  return Buffer.concat([u64(main), text("_"), u64(sub), text(tombstone ? "t" : "")]);
}

export function putRow(keyValue: TestKeyValue, sub = 0): Row {
  return { key: revisionKey(keyValue.modRevision, sub), value: encodeKeyValue(keyValue) };
}

/** Tombstones keep nothing but the user's key. */
export function tombstoneRow(key: Uint8Array, main: number, sub = 0): Row {
  return { key: revisionKey(main, sub, true), value: new ProtoWriter().bytes(1, key).finish() };
}

function encodeKeyValue({ key, createRevision, modRevision, version, value, lease }: TestKeyValue): Uint8Array {
  const head = new ProtoWriter();
  if (key.length > 0) head.bytes(1, key);
  head.varint(2, createRevision).varint(3, modRevision).varint(4, version);
  // The value is put in by hand: ProtoWriter is for small messages.
  const valueHead = value.length === 0 ? [] : [0x2a, ...varint(value.length)];
  const tail = lease === 0n ? new Uint8Array(0) : new ProtoWriter().varint(6, lease).finish();
  return Buffer.concat([head.finish(), Uint8Array.from(valueHead), value, tail]);
}

export function leaseRow({ id, ttlSeconds, remainingTtlSeconds = 0 }: TestLease): Row {
  const writer = new ProtoWriter().varint(1, id).varint(2, ttlSeconds);
  if (remainingTtlSeconds !== 0) writer.varint(3, remainingTtlSeconds);
  return { key: u64(id), value: writer.finish() };
}

/** By hand, because ids exceed what JSON.stringify can write. */
export function memberRow({ id, name, peerURLs, clientURLs = [], isLearner = false }: TestMember): Row {
  const fields = [`"id":${id}`, `"peerURLs":${JSON.stringify(peerURLs)}`];
  if (isLearner) fields.push(`"isLearner":true`);
  if (name !== "") fields.push(`"name":${JSON.stringify(name)}`);
  if (clientURLs.length > 0) fields.push(`"clientURLs":${JSON.stringify(clientURLs)}`);
  return { key: text(id.toString(16)), value: text(`{${fields.join(",")}}`) };
}

export function sortedByKey(rows: Iterable<Row>): Row[] {
  return [...rows].sort((a, b) => Buffer.compare(a.key, b.key));
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** Where two lists of rows differ first, in words, or undefined: `toEqual` takes minutes for what this does in a moment. */
export function rowDifference(actual: Iterable<Row>, expected: Iterable<Row>): string | undefined {
  const rest = Iterator.from(expected);
  let index = 0;
  for (const row of actual) {
    const next = rest.next();
    if (next.done) return `row ${index} is one too many`;
    if (Buffer.compare(row.key, next.value.key) !== 0) return `row ${index} has the key ${hex(row.key)} instead of ${hex(next.value.key)}`;
    if (Buffer.compare(row.value, next.value.value) !== 0) return `row ${index} has the value ${hex(row.value)} instead of ${hex(next.value.value)}`;
    index += 1;
  }
  return rest.next().done ? undefined : `only ${index} rows`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 64)).toString("hex");
}
