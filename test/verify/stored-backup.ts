// A repository in memory, with backups whose manifests tell the truth about any bytes: what a save would have stored.
import { createHash } from "node:crypto";
import type { AgeRecipients } from "../../src/age/recipients.ts";
import { buildManifest } from "../../src/backup/manifest.ts";
import { readerOf, streamOf } from "../../src/bytes/stream.ts";
import { TrailingHash } from "../../src/bytes/trailing-hash.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { checkSnapshot } from "../../src/etcd-files/check/check-snapshot.ts";
import type { SnapshotFacts } from "../../src/etcd-files/check/facts.ts";
import { encodeManifest, type Manifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey, SNAPSHOT_OBJECT } from "../../src/repository/names.ts";
import { encodeObject } from "../../src/repository/object-encoder.ts";
import { type Author, openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import type { LogEvent, Progress, Runtime } from "../../src/runtime.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { randomHistory } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";

export const AUTHOR: Author = { tool: { name: "etcdsafe", version: "0.1.0" }, writer: { host: "test", pid: 1 } };
export const CLUSTER = "default";
export const signal: AbortSignal = new AbortController().signal;

export interface RecordingRuntime extends Runtime {
  readonly events: LogEvent[];
  readonly reports: Progress[];
}

export function recordingRuntime(): RecordingRuntime {
  const events: LogEvent[] = [];
  const reports: Progress[] = [];
  let nowMs = Date.parse("2026-11-22T03:00:00.000Z");
  return {
    events,
    reports,
    now: () => new Date(nowMs++),
    monotonicMs: () => performance.now(),
    sleep: async () => {},
    randomBytes: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    log: (event) => void events.push(event),
    progress: (report) => void reports.push(report),
  };
}

export interface StoredRepository extends Repository {
  readonly storage: MemoryStorage;
}

export async function newRepository(): Promise<StoredRepository> {
  const storage = new MemoryStorage();
  return { storage, file: (await openOrCreateRepository(storage, AUTHOR, { signal, runtime: recordingRuntime() })).file };
}

/** A snapshot of about 100 revisions. */
export function someSnapshot(seed = 7): Uint8Array {
  return buildSnapshot({ ...randomHistory(seed, { revisions: 300, compaction: "finished" }) });
}

export interface StoreOptions {
  /** Of the id, two digits. */
  readonly second?: string;
  /** Of the id, six characters. */
  readonly suffix?: string;
  /** What the manifest says the snapshot holds; what it does hold. */
  readonly facts?: SnapshotFacts | undefined;
  readonly change?: (manifest: Manifest) => Manifest;
  readonly encryption?: AgeRecipients;
}

/** Stores `raw` as a backup and gives its id. */
export async function storeBackup({ storage }: Repository, raw: Uint8Array, options: StoreOptions = {}): Promise<string> {
  const facts = "facts" in options ? options.facts : factsOf(raw);
  const second = options.second ?? "00";
  const id = `20261121T0930${second}Z-0000000000000000002-${options.suffix ?? "aaaaaa"}`;
  const { encryption } = options;
  const encoded = encodeObject(readerOf(streamOf(raw)), { signal, encryption });
  const name = encryption === undefined ? SNAPSHOT_OBJECT : `${SNAPSHOT_OBJECT}.age`;
  await storage.put(backupObjectKey(CLUSTER, id, name), encoded.stored, { signal });
  const hash = new TrailingHash();
  hash.update(raw);
  const manifest = buildManifest({
    tool: AUTHOR.tool,
    id,
    cluster: CLUSTER,
    clusterId: "cdf818194e3a8c32",
    timeline: "q7x3m2ak5n4c",
    timelineBegan: null,
    createdAt: `2026-11-21T09:30:${second}.000Z`,
    publishedAt: `2026-11-21T09:30:${second}.500Z`,
    clockOffsets: { storeMs: null, memberMs: null },
    state: facts === undefined ? "partial" : "unconfirmed",
    stateWhy: "made by a test",
    warnings: [],
    servingMember: { id: "8e9e05c52164694d", name: "default", endpoint: "http://localhost:2379", isLeader: true, etcdVersion: "3.6.16" },
    quorumSeen: true,
    comparison: { asked: "none", why: "made by a test", revision: null, members: [] },
    dataSha256: hash.finish().dataSha256,
    facts,
    revisionBefore: 2n,
    kubeSystemUid: null,
    object: { role: "snapshot", name, ...encoded.facts(), storeVersion: null },
  });
  await put(storage, manifestKey(CLUSTER, id), encodeManifest(options.change?.(manifest) ?? manifest));
  return id;
}

export function factsOf(raw: Uint8Array): SnapshotFacts {
  const { facts, findings } = checkSnapshot(bufferPageSource(raw), { hashes: [{ revision: 0n }] });
  if (facts === undefined) throw new Error(`the test's snapshot is damaged: ${JSON.stringify(findings)}`);
  return facts;
}

/** The image with `change` done to it, and the SHA-256 of that at its end. */
export function alteredSnapshot(raw: Uint8Array, change: (image: Uint8Array) => void): Uint8Array {
  const image = Uint8Array.from(raw.subarray(0, -32));
  change(image);
  return Buffer.concat([image, createHash("sha256").update(image).digest()]);
}

export function snapshotKey(id: string): string {
  return backupObjectKey(CLUSTER, id, SNAPSHOT_OBJECT);
}

export async function put(storage: Storage, key: string, bytes: Uint8Array): Promise<void> {
  await storage.put(key, streamOf(bytes), { signal });
}

/** Replaces an object by what `change` makes of its bytes. */
export async function change(storage: MemoryStorage, key: string, changed: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  await put(storage, key, changed(Uint8Array.from(storage.bytesOf(key)!)));
}
