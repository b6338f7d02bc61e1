import { tmpdir } from "node:os";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bundleTar } from "../../src/bundle/write.ts";
import { type ByteStream, readerOf, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { type Manifest, readManifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey, verificationsPrefix } from "../../src/repository/names.ts";
import { encodeObject } from "../../src/repository/object-encoder.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { readVerification, type Verification } from "../../src/repository/sidecars.ts";
import { readOnly } from "../../src/storage/read-only.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import type { VerifyLevel } from "../../src/verify/options.ts";
import { type BackupVerification, verifyBackup, verifyBackups } from "../../src/verify/verify.ts";
import { corruptingStorage } from "../faults/kit/lying-storages.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { runs, SEED } from "../support/counts.ts";
import type { MemoryStorage } from "../support/memory-storage.ts";
import { plainRows, randomNumbers } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import {
  AUTHOR,
  alteredSnapshot,
  CLUSTER,
  change,
  factsOf,
  newRepository,
  put,
  recordingRuntime,
  signal,
  snapshotKey,
  someSnapshot,
  storeBackup,
} from "./stored-backup.ts";

const LEVELS = ["stored-bytes", "hash", "structure"] as const;
const PAGE_SIZE_BYTES = 4096;
/** Not compressible, so that stored bytes are as many frames' as raw ones are. */
const FRAME_SIZE_BYTES = 4 * 1024 * 1024;
const random = randomNumbers(SEED);

function verify(repository: Repository, id: string, level: VerifyLevel, runtime = recordingRuntime()): Promise<BackupVerification> {
  return verifyBackup(repository, { cluster: CLUSTER, id }, AUTHOR, { level, runtime, signal, spoolDirectory: tmpdir(), stepPrefix: "" });
}

async function sidecars(storage: Storage, id: string): Promise<Verification[]> {
  const found: Verification[] = [];
  for await (const { key } of storage.list(verificationsPrefix(CLUSTER, id), { signal })) found.push(await readVerification(storage, key, { signal }));
  return found;
}

describe("a good backup", () => {
  for (const level of LEVELS) {
    test(`passes at level ${level}, and the result is stored beside it`, async () => {
      const repository = await newRepository();
      const raw = someSnapshot();
      const id = await storeBackup(repository, raw);
      const runtime = recordingRuntime();
      const result = await verify(repository, id, level, runtime);
      const { hash } = factsOf(raw).hashes[0] as { readonly hash: number };
      expect(result).toMatchObject({ cluster: CLUSTER, backup: id, level, outcome: "passed", failure: null, findings: [], findingsTotal: 0 });
      expect(result.hashKv?.hash).toBe(level === "structure" ? hash : undefined);
      expect(result.readSizeBytes).toBe(repository.storage.bytesOf(snapshotKey(id))!.length);
      const { origin, state, ...kept } = result;
      expect([origin, state]).toEqual(["not-proven", "unconfirmed"]);
      expect(await sidecars(repository.storage, id)).toEqual([expect.objectContaining({ ...kept, writer: AUTHOR.writer })]);
      const steps = level === "structure" ? ["read", "check"] : ["read"];
      const ends = runtime.reports.filter(({ done }) => done);
      expect(ends.map(({ step }) => step)).toEqual(steps);
      for (const { doneBytes, totalBytes } of ends) expect(doneBytes).toBe(totalBytes);
    });
  }

  test("saved without a look inside is looked into fully", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot(), { facts: undefined });
    expect(await verify(repository, id, "structure")).toMatchObject({ outcome: "passed", hashKv: { revision: "301" } });
    const damaged = alteredSnapshot(someSnapshot(), (image) => image.fill(0, 3 * PAGE_SIZE_BYTES, 4 * PAGE_SIZE_BYTES));
    const other = await storeBackup(repository, damaged, { facts: undefined, second: "01" });
    expect(await verify(repository, other, "structure")).toMatchObject({ outcome: "failed", failure: { code: "SNAPSHOT_DAMAGED" } });
  });
});

interface Damage {
  readonly what: string;
  readonly store?: (repository: Repository) => Promise<string>;
  readonly harm?: (storage: MemoryStorage, id: string, repository: Repository) => Promise<void>;
  /** The code of the failure at each level, null where that level cannot see it. */
  readonly seen: Readonly<Record<VerifyLevel, string | null>>;
}

const everywhere = (code: string) => ({ "stored-bytes": code, hash: code, structure: code });

const DAMAGES: readonly Damage[] = [
  { what: "a flipped bit in the stored object", harm: (storage, id) => change(storage, snapshotKey(id), flipped(1000)), seen: everywhere("OBJECT_CORRUPT") },
  { what: "a flipped bit in its seek table", harm: (storage, id) => change(storage, snapshotKey(id), flipped(-12)), seen: everywhere("OBJECT_CORRUPT") },
  {
    what: "an object cut short",
    harm: (storage, id) => change(storage, snapshotKey(id), (bytes) => bytes.subarray(0, -100)),
    seen: everywhere("OBJECT_TRUNCATED"),
  },
  {
    what: "an object that grew",
    harm: (storage, id) => change(storage, snapshotKey(id), (bytes) => Buffer.concat([bytes, Buffer.alloc(9)])),
    seen: everywhere("OBJECT_CORRUPT"),
  },
  { what: "a missing object", harm: (storage, id) => storage.remove(snapshotKey(id), { signal }), seen: everywhere("STORAGE_NOT_FOUND") },
  {
    what: "a larger backup's object",
    harm: async (storage, id, repository) => {
      const other = await storeBackup(repository, buildSnapshot({ rows: plainRows(5000) }), { second: "01" });
      await put(storage, snapshotKey(id), storage.bytesOf(snapshotKey(other))!);
    },
    seen: everywhere("OBJECT_CORRUPT"),
  },
  {
    what: "another backup's object of exactly the same sizes",
    store: (repository) => storeBackup(repository, random.bytes(100_000), { facts: undefined }),
    harm: async (storage, id, repository) => {
      const other = await storeBackup(repository, random.bytes(100_000), { facts: undefined, second: "01" });
      expect(storage.bytesOf(snapshotKey(other))).toHaveLength(storage.bytesOf(snapshotKey(id))!.length);
      await put(storage, snapshotKey(id), storage.bytesOf(snapshotKey(other))!);
    },
    seen: everywhere("OBJECT_CORRUPT"),
  },
  { what: "a manifest that is no JSON", harm: (storage, id) => put(storage, manifestKey(CLUSTER, id), Buffer.from("{")), seen: everywhere("MANIFEST_INVALID") },
  {
    what: "a manifest with another size",
    store: (repository) => storeBackup(repository, someSnapshot(), { change: (manifest) => withObject(manifest, { storedSizeBytes: 17 }) }),
    seen: everywhere("OBJECT_CORRUPT"),
  },
  {
    what: "a manifest with another SHA-256 of the raw bytes",
    store: (repository) => storeBackup(repository, someSnapshot(), { change: (manifest) => withObject(manifest, { rawSha256: "0".repeat(64) }) }),
    seen: { "stored-bytes": null, hash: "OBJECT_CORRUPT", structure: "OBJECT_CORRUPT" },
  },
  {
    what: "a manifest with another SHA-256 of the database",
    store: (repository) =>
      storeBackup(repository, someSnapshot(), { change: (manifest) => ({ ...manifest, snapshot: { ...manifest.snapshot, dataSha256: "0".repeat(64) } }) }),
    seen: { "stored-bytes": null, hash: "MANIFEST_INVALID", structure: "MANIFEST_INVALID" },
  },
  {
    what: "a manifest with another revision",
    store: (repository) => storeBackup(repository, someSnapshot(), { change: (manifest) => ({ ...manifest, revision: "9999" }) }),
    seen: { "stored-bytes": null, hash: null, structure: "MANIFEST_INVALID" },
  },
  {
    what: "a manifest with another HashKV",
    store: (repository) => storeBackup(repository, someSnapshot(), { change: (manifest) => ({ ...manifest, hashKv: { ...manifest.hashKv!, hash: 1 } }) }),
    seen: { "stored-bytes": null, hash: null, structure: "MANIFEST_INVALID" },
  },
  {
    what: "another hash at the snapshot's end, with a manifest that agrees",
    store: (repository) => storeBackup(repository, flipped(-1)(someSnapshot())),
    seen: { "stored-bytes": null, hash: "SNAPSHOT_HASH_MISMATCH", structure: "SNAPSHOT_HASH_MISMATCH" },
  },
  {
    what: "a page of zeros, with hashes and a manifest that agree",
    store: (repository) => {
      const raw = alteredSnapshot(someSnapshot(), (image) => image.fill(0, 3 * PAGE_SIZE_BYTES, 4 * PAGE_SIZE_BYTES));
      return storeBackup(repository, raw, { facts: factsOf(someSnapshot()) });
    },
    seen: { "stored-bytes": null, hash: null, structure: "SNAPSHOT_DAMAGED" },
  },
  {
    what: "one bit of one row, with hashes that agree: only what was computed from the rows tells",
    store: (repository) => {
      const raw = alteredSnapshot(someSnapshot(), (image) => image.set(flipped(rowByte(image))(image)));
      return storeBackup(repository, raw, { facts: factsOf(someSnapshot()) });
    },
    seen: { "stored-bytes": null, hash: null, structure: "MANIFEST_INVALID" },
  },
  {
    what: "a stored file that is no database at all",
    store: (repository) => storeBackup(repository, Buffer.from("<html><title>502 Bad Gateway</title></html>".padEnd(544, " ")), { facts: undefined }),
    seen: { "stored-bytes": null, hash: "SNAPSHOT_HASH_MISMATCH", structure: "SNAPSHOT_NOT_A_DATABASE" },
  },
];

describe("damage is found by every level that can see it", () => {
  for (const { what, store, harm, seen } of DAMAGES) {
    for (const level of LEVELS) {
      test(`${what}: level ${level} ${seen[level] === null ? "cannot" : "does"}`, async () => {
        const repository = await newRepository();
        const id = (await store?.(repository)) ?? (await storeBackup(repository, someSnapshot()));
        await harm?.(repository.storage, id, repository);
        const result = await verify(repository, id, level);
        expect(result).toMatchObject({ outcome: seen[level] === null ? "passed" : "failed" });
        expect(result.failure?.code ?? null).toBe(seen[level]);
        if (seen[level] !== null) expect(result.findings.filter(({ severity }) => severity === "error")).not.toEqual([]);
        for (const { text } of result.findings) expect(text).not.toMatch(/snapshot\.db\.zst|manifest\.json| at byte /);
        const { outcome, failure, findings } = result;
        expect(await sidecars(repository.storage, id)).toMatchObject([{ outcome, failure, findings }]);
      });
    }
  }

  test("any flipped bit and any cut of a stored object is found, whatever the place", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot());
    const stored = Uint8Array.from(repository.storage.bytesOf(snapshotKey(id))!);
    const place = fc.integer({ min: 0, max: stored.length - 1 });
    const property = fc.asyncProperty(place, fc.integer({ min: 0, max: 7 }), fc.boolean(), async (at, bit, isCut) => {
      await put(repository.storage, snapshotKey(id), isCut ? stored.subarray(0, at) : stored.with(at, stored[at]! ^ (1 << bit)));
      for (const level of ["stored-bytes", "hash"] as const) expect((await verify(repository, id, level)).outcome).toBe("failed");
    });
    await fc.assert(property, { seed: SEED, numRuns: runs(60, 5000) });
  });

  test("every bad frame is named with its offset, not the first alone", async () => {
    const repository = await newRepository();
    const raw = random.bytes(4 * FRAME_SIZE_BYTES);
    const id = await storeBackup(repository, raw, { facts: undefined });
    for (const frame of [1, 3]) await change(repository.storage, snapshotKey(id), flipped(frame * FRAME_SIZE_BYTES + 1_000_000));
    const { findings } = await verify(repository, id, "hash");
    expect(findings.map(({ text, object }) => [object, /frame \d/.exec(text)?.[0]])).toEqual([
      ["snapshot.db.zst", "frame 1"],
      ["snapshot.db.zst", "frame 3"],
    ]);
    expect(findings.map(({ offset }) => Math.floor((offset ?? 0) / FRAME_SIZE_BYTES))).toEqual([1, 3]);
  });

  async function storeBundle({ storage }: Repository, id: string, tar: ByteStream): Promise<string> {
    const key = backupObjectKey(CLUSTER, id, "bundle.tar.zst");
    const encoded = encodeObject(readerOf(tar), { signal });
    await storage.put(key, encoded.stored, { signal });
    const manifest = await readManifest(storage, CLUSTER, id, { signal });
    manifest.objects.push({ role: "bundle", name: "bundle.tar.zst", ...encoded.facts(), storeVersion: null });
    await put(storage, manifestKey(CLUSTER, id), Buffer.from(JSON.stringify(manifest)));
    return key;
  }

  const emptyBundle = (backup: string) =>
    bundleTar({ presets: [], entries: [], kinds: [], warnings: [] }, { author: AUTHOR, cluster: CLUSTER, backup, createdAt: new Date(0) });

  test("a bundle whose tar is none, or another backup's, is found by looking into it", async () => {
    for (const [tar, why] of [
      [streamOf(Buffer.alloc(5000, "x")), /no good bundle/],
      [emptyBundle("20261121T093000Z-0000000000000012345-k3jv2a"), /the manifest's bundle belongs to default\/20261121T093000Z-/],
    ] as const) {
      const repository = await newRepository();
      const id = await storeBackup(repository, someSnapshot());
      await storeBundle(repository, id, tar);
      for (const level of LEVELS) expect(await verify(repository, id, level)).toMatchObject({ outcome: level === "structure" ? "failed" : "passed" });
      expect((await verify(repository, id, "structure")).failure?.message).toMatch(why);
    }
  });

  test("a bundle is read back too, at each level", async () => {
    const repository = await newRepository();
    const { storage } = repository;
    const id = await storeBackup(repository, someSnapshot());
    const key = await storeBundle(repository, id, emptyBundle(id));
    for (const level of LEVELS) expect(await verify(repository, id, level)).toMatchObject({ outcome: "passed" });
    await change(storage, key, flipped(9));
    for (const level of LEVELS) expect((await verify(repository, id, level)).findings).toMatchObject([{ object: "bundle.tar.zst", severity: "error" }]);
  });
});

describe("what says nothing about the backup", () => {
  test("a store that does not answer is an error, and leaves no result", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot());
    const storage = failingStorage(repository.storage, { operations: ["read"], key: /snapshot/, afterBytes: 100 });
    for (const level of LEVELS) await expect(verify({ ...repository, storage }, id, level)).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
    expect(await sidecars(repository.storage, id)).toEqual([]);
  });

  test("a codec that a later version wrote is an error at the levels that decode", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot(), { change: (manifest) => withObject(manifest, { codec: ["zstd-seekable", "rot13"] }) });
    expect(await verify(repository, id, "stored-bytes")).toMatchObject({ outcome: "passed" });
    for (const level of ["hash", "structure"] as const) await expect(verify(repository, id, level)).rejects.toMatchObject({ code: "REPOSITORY_UNSUPPORTED" });
  });

  test("a backup that is removed meanwhile is not found, rather than damaged", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot());
    const { storage } = repository;
    const removing: Storage = Object.assign(Object.create(storage) as Storage, {
      stat: async (key: string) => {
        await storage.remove(manifestKey(CLUSTER, id), { signal });
        await storage.remove(snapshotKey(id), { signal });
        return storage.stat(key, { signal });
      },
      read: storage.read.bind(storage),
    });
    await expect(verify({ ...repository, storage: removing }, id, "hash")).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND" });
    await expect(verify(repository, id, "hash")).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND" });
  });

  test("a reading in which bytes were changed on the way, when a second one finds none: a warning, and a result that passed", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot());
    const runtime = recordingRuntime();
    const changing = corruptingStorage(repository.storage, 20, { operations: ["read"], key: /snapshot\.db\.zst$/, from: 2, times: 2 });
    const result = await verify({ ...repository, storage: changing }, id, "structure", runtime);
    expect(result).toMatchObject({
      outcome: "passed",
      failure: null,
      findings: [{ severity: "warning", text: expect.stringMatching(/^only the first of two readings found that .*changes bytes$/) }],
    });
    expect(runtime.events).toMatchObject([{ level: "warn", message: expect.stringContaining(id) }]);
  });

  test("a result that cannot be stored is a warning, and the result stands", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot());
    const runtime = recordingRuntime();
    const denied = wrapped(repository.storage, { put: () => Promise.reject(new EtcdsafeError("STORAGE_DENIED", "may not write")) });
    expect(await verify({ ...repository, storage: denied }, id, "structure", runtime)).toMatchObject({ outcome: "passed" });
    expect(runtime.events).toMatchObject([{ level: "warn", message: expect.stringContaining("was not stored: may not write") }]);
    const past = recordingRuntime();
    expect(await verify({ ...repository, storage: readOnly(repository.storage) }, id, "structure", past)).toMatchObject({ outcome: "passed" });
    expect(past.events).toEqual([]);
  });

  test("an aborted verification rejects with the signal's reason and stores nothing", async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot());
    const controller = new AbortController();
    const runtime = { ...recordingRuntime(), progress: () => controller.abort(new Error("enough")) };
    const options = { level: "structure", runtime, signal: controller.signal, spoolDirectory: tmpdir(), stepPrefix: "" } as const;
    await expect(verifyBackup(repository, { cluster: CLUSTER, id }, AUTHOR, options)).rejects.toThrow("enough");
    expect(await sidecars(repository.storage, id)).toEqual([]);
  });
});

test("verifying many goes on after those that fail and those that cannot be read", async () => {
  const repository = await newRepository();
  const good = await storeBackup(repository, someSnapshot());
  const bad = await storeBackup(repository, someSnapshot(), { second: "01" });
  const unknown = await storeBackup(repository, someSnapshot(), { second: "02", change: (manifest) => withObject(manifest, { codec: ["lz4"] }) });
  const unreadable = await storeBackup(repository, someSnapshot(), { second: "03" });
  const last = await storeBackup(repository, someSnapshot(), { second: "04" });
  await change(repository.storage, snapshotKey(bad), flipped(500));
  await put(repository.storage, manifestKey(CLUSTER, unreadable), Buffer.from("not a manifest"));
  const runtime = recordingRuntime();
  const names = [good, bad, unknown, unreadable, last].map((id) => ({ cluster: CLUSTER, id }));
  const results = await verifyBackups(repository, names, AUTHOR, { level: "structure", runtime, signal, spoolDirectory: tmpdir() });
  expect(results.map(({ backup, outcome, failure }) => [backup, outcome, failure?.code ?? null])).toEqual([
    [good, "passed", null],
    [bad, "failed", "OBJECT_CORRUPT"],
    [unknown, "not-verified", "REPOSITORY_UNSUPPORTED"],
    [unreadable, "failed", "MANIFEST_INVALID"],
    [last, "passed", null],
  ]);
  expect(await sidecars(repository.storage, unreadable)).toMatchObject([{ outcome: "failed", readSizeBytes: 0 }]);
  expect(runtime.reports.some(({ step }) => step === "5/5 check")).toBe(true);
});

function flipped(at: number): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    const index = at < 0 ? bytes.length + at : at;
    return bytes.with(index, bytes[index]! ^ 1);
  };
}

function withObject(manifest: Manifest, facts: Partial<Manifest["objects"][number]>): Manifest {
  return { ...manifest, objects: manifest.objects.map((object) => ({ ...object, ...facts })) };
}

/** In a user's key of some row: nothing in the structure depends on its bytes. */
function rowByte(image: Uint8Array): number {
  const key = Buffer.from("/registry/things/");
  return Buffer.from(image.buffer, image.byteOffset, image.length).lastIndexOf(key) + key.length;
}

test("verification: of an object that is missing, the hint says what to do, not how to find it", async () => {
  const repository = await newRepository();
  const id = await storeBackup(repository, someSnapshot());
  await repository.storage.remove(snapshotKey(id), { signal });
  const { failure } = await verifyBackup(repository, { cluster: CLUSTER, id }, AUTHOR, {
    signal,
    runtime: recordingRuntime(),
    level: "hash",
    spoolDirectory: tmpdir(),
    stepPrefix: "",
  });
  expect(failure?.hint).toMatch(/put it back from a copy, or use another backup/);
});
