// Random histories of a keyspace, as the exact rows etcd would hold: puts, deletes, transactions, lease revokes, compaction (etcd-formats §6.1).
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { putRow, revisionKey, type TestKeyValue, type TestLease, text, tombstoneRow } from "./rows.ts";

export interface HistoryOptions {
  /** How many main revisions are written; the first is 2. 100. */
  readonly revisions?: number;
  /** How many different user keys there can be. 20. */
  readonly keys?: number;
  /** How many leases are granted, some of which are revoked again. 3. */
  readonly leases?: number;
  /** 40. */
  readonly valueSizeBytesMax?: number;
  /** Nothing is compacted; everything up to a random revision is; or the same, interrupted somewhere. "finished" for every second seed. */
  readonly compaction?: "none" | "finished" | "interrupted";
}

export interface History {
  /** What `key` holds after the compaction. */
  readonly rows: readonly Row[];
  /** What it held before. */
  readonly allRows: readonly Row[];
  /** The current revision. */
  readonly revision: number;
  /** For buildSnapshot's options of the same names; absent ones are undefined-free, so the history can be spread into them. */
  readonly compactRevision?: number;
  readonly scheduledCompactRevision?: number;
  readonly leases: readonly TestLease[];
  /** The live keys, by the latin1 text of the key. */
  readonly live: ReadonlyMap<string, TestKeyValue>;
}

/** The same seed and options give the same history. */
export function randomHistory(seed: number, options: HistoryOptions = {}): History {
  const random = randomNumbers(seed);
  const writer = new HistoryWriter(random, options);
  for (let count = options.revisions ?? 100; count > 0; count--) writer.writeRevision();
  const { compaction = seed % 2 === 0 ? "finished" : "none" } = options;
  const common = { allRows: writer.rows, revision: writer.revision, leases: [...writer.leases.values()], live: writer.live };
  const compactRevision = compaction === "none" ? 0 : random.integer(1, writer.revision);
  if (compactRevision === 0) return { ...common, rows: writer.rows };
  const dropped = droppedByCompaction(writer.rows, compactRevision);
  if (compaction === "finished") return { ...common, rows: writer.rows.filter((row) => !dropped.has(row)), compactRevision };
  const gone = new Set([...dropped].slice(0, random.integer(0, dropped.size)));
  return { ...common, rows: writer.rows.filter((row) => !gone.has(row)), scheduledCompactRevision: compactRevision };
}

/** The rows a compaction at `revision` removes: all up to it but the newest of each key, which stays unless it is an older tombstone. */
export function droppedByCompaction(rows: readonly Row[], revision: number): Set<Row> {
  const newest = new Map<string, Row>();
  const dropped = new Set<Row>();
  for (const row of rows) {
    const main = Number(Buffer.from(row.key).readBigUInt64BE());
    if (main > revision) break;
    const userKey = userKeyOf(row);
    const older = newest.get(userKey);
    if (older !== undefined) dropped.add(older);
    if (row.key.length === 18 && main < revision) dropped.add(row);
    newest.set(userKey, row);
  }
  return dropped;
}

export interface RandomNumbers {
  /** Both ends included. */
  integer(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  bytes(sizeBytes: number): Uint8Array;
}

/** The generator mulberry32. */
export function randomNumbers(seed: number): RandomNumbers {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    integer,
    chance: (probability) => next() < probability,
    pick: (from) => from[integer(0, from.length - 1)] as (typeof from)[number],
    bytes: (sizeBytes) => new Uint8Array(sizeBytes).map(() => integer(0, 255)),
  };
}

class HistoryWriter {
  readonly rows: Row[] = [];
  readonly live = new Map<string, TestKeyValue>();
  readonly leases = new Map<bigint, TestLease>();
  revision = 1;
  #sub = 0;
  readonly #random: RandomNumbers;
  readonly #keys: readonly string[];
  readonly #valueSizeBytesMax: number;

  constructor(random: RandomNumbers, { keys = 20, leases = 3, valueSizeBytesMax = 40 }: HistoryOptions) {
    this.#random = random;
    this.#valueSizeBytesMax = valueSizeBytesMax;
    // One key in four is binary; the zero byte and 0xff are the ones that range ends and prefixes get wrong.
    this.#keys = Array.from({ length: keys }, (_, index) =>
      index % 4 === 3 ? `\x00\xff${latin1(random.bytes(3))}${index}` : `/registry/things/${index % 3}/${index}`,
    );
    for (let count = 0; count < leases; count++) {
      const id = BigInt.asIntN(64, BigInt(random.integer(1, 2 ** 31)) * 0x1_0000_0001n) * (count % 3 === 2 ? -1n : 1n);
      this.leases.set(id, { id, ttlSeconds: random.integer(60, 7200), ...(count % 2 === 1 ? { remainingTtlSeconds: 30 } : {}) });
    }
  }

  writeRevision(): void {
    const random = this.#random;
    this.revision += 1;
    this.#sub = 0;
    if (random.chance(0.15)) this.#delete(random.pick(this.#keys));
    else if (random.chance(0.06)) this.#deleteSome(random.pick(["/registry/things/0/", "/registry/things/1/", "\x00"]));
    else if (random.chance(0.03)) this.#revokeLease();
    else if (random.chance(0.25)) this.#transaction();
    // An operation that changes nothing makes no revision: a put always does.
    if (this.#sub === 0) this.#put(random.pick(this.#keys));
  }

  /** A key occurs once in a transaction, and a deleted range holds none of its puts. */
  #transaction(): void {
    const random = this.#random;
    const keys = new Set(Array.from({ length: random.integer(2, 6) }, () => random.pick(this.#keys)));
    for (const key of keys) {
      if (random.chance(0.3)) this.#delete(key);
      else this.#put(key);
    }
  }

  #revokeLease(): void {
    if (this.leases.size < 2) return;
    const id = this.#random.pick([...this.leases.keys()]);
    this.#deleteAll([...this.live].filter(([, { lease }]) => lease === id).map(([key]) => key));
    // Without attached keys a revoke makes no revision, so it is simply not recorded here.
    if (this.#sub > 0) this.leases.delete(id);
  }

  #deleteSome(prefix: string): void {
    this.#deleteAll([...this.live.keys()].filter((key) => key.startsWith(prefix)));
  }

  #deleteAll(keys: readonly string[]): void {
    for (const key of [...keys].sort((a, b) => Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1")))) this.#delete(key);
  }

  #put(key: string): void {
    const random = this.#random;
    const before = this.live.get(key);
    const keyValue: TestKeyValue = {
      key: Buffer.from(key, "latin1"),
      createRevision: before?.createRevision ?? this.revision,
      modRevision: this.revision,
      version: (before?.version ?? 0) + 1,
      value: random.bytes(random.integer(0, this.#valueSizeBytesMax)),
      lease: this.leases.size > 0 && random.chance(0.2) ? random.pick([...this.leases.keys()]) : 0n,
    };
    this.live.set(key, keyValue);
    this.rows.push(putRow(keyValue, this.#sub));
    this.#sub += 1;
  }

  #delete(key: string): void {
    if (!this.live.delete(key)) return;
    this.rows.push(tombstoneRow(Buffer.from(key, "latin1"), this.revision, this.#sub));
    this.#sub += 1;
  }
}

/** Rows of `count` puts of different keys from `firstRevision` on, one per revision. */
export function* plainRows(count: number, { firstRevision = 2, valueSizeBytes = 100, prefix = "/registry/pods/ns/" } = {}): Generator<Row> {
  const value = new Uint8Array(valueSizeBytes).fill(0x78);
  for (let index = 0; index < count; index++) {
    const modRevision = firstRevision + index;
    const key = text(`${prefix}${String(index).padStart(8, "0")}`);
    yield putRow({ key, createRevision: modRevision, modRevision, version: 1, value, lease: 0n });
  }
}

/** The marker of `--bump-revision`: a row with an empty value (etcd-formats §4.6). */
export function bumpMarkerRow(main: number): Row {
  return { key: revisionKey(main), value: new Uint8Array(0) };
}

function userKeyOf(row: Row): string {
  // Field 1 comes first in every row: 0x0a, a length below 128 in these histories, the key.
  const sizeBytes = row.value[1] ?? 0;
  return latin1(row.value.subarray(2, 2 + sizeBytes));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
