// What a catalogue remembers: never anything that the store does not say any more, and nothing that the listing tells by itself.
import fc from "fast-check";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { listBackups, listBriefly } from "../../src/repository/catalogue.ts";
import { type CachedDocument, CatalogueCache } from "../../src/repository/catalogue-cache.ts";
import { viewCatalogue } from "../../src/repository/catalogue-view.ts";
import { encodeManifest, type Manifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey } from "../../src/repository/names.ts";
import { writePin } from "../../src/repository/pins.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { writeAttempt, writeVerification } from "../../src/repository/sidecars.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { runs, SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const NOW = new Date("2026-11-22T12:00:00.000Z");
const PAGE = 1000;

const repositoryOf = (storage: Storage): Repository => ({ storage, file: {} as Repository["file"] });
const put = (storage: Storage, key: string, bytes: Uint8Array) => storage.put(key, streamOf(bytes), { signal });
/** As a file would give it back. */
const kept = (cache: CatalogueCache): CatalogueCache => new CatalogueCache(JSON.parse(JSON.stringify(cache.documents)));

async function store(storage: Storage, changes: Partial<Manifest> = {}): Promise<Manifest> {
  const manifest = sampleManifest(changes);
  for (const { name, storedSizeBytes } of manifest.objects) await put(storage, backupObjectKey("default", manifest.id, name), new Uint8Array(storedSizeBytes));
  await put(storage, manifestKey("default", manifest.id), encodeManifest(manifest));
  return manifest;
}

/** The store, and the requests that a remote one would have been sent. */
function counting(inner: Storage) {
  const counted = { reads: [] as string[], pages: 0 };
  const storage = wrapped(inner, {
    read: (key, options) => {
      counted.reads.push(key);
      return inner.read(key, options);
    },
    list: async function* (prefix, options) {
      let count = 0;
      for await (const info of inner.list(prefix, options)) {
        count++;
        yield info;
      }
      counted.pages += Math.max(1, Math.ceil(count / PAGE));
    },
  });
  return { counted, storage };
}

test("catalogue cache: gives what was read of the same version, reads another one, and forgets what is not asked for", async () => {
  const cache = new CatalogueCache([
    ["a", "1", "old a"],
    ["b", "1", "old b"],
    ["c", "1", "old c"],
  ]);
  expect(await cache.of({ key: "a", version: "1" }, async () => "new a")).toBe("old a");
  expect(cache.documents).toEqual([["a", "1", "old a"]]);
  expect(await cache.of({ key: "b", version: "2" }, async () => "new b")).toBe("new b");
  expect(await cache.of({ key: "d", version: "1" }, async () => "new d")).toBe("new d");
  const documents: CachedDocument[] = [
    ["a", "1", "old a"],
    ["b", "2", "new b"],
    ["d", "1", "new d"],
  ];
  expect(cache.documents).toEqual(documents);
  expect(cache.isChanged).toBe(true);
});

test("catalogue cache: is changed only where something was read, or is gone", async () => {
  const read = async () => "new";
  const one = (documents: readonly CachedDocument[]) => new CatalogueCache(documents);
  const same = one([["a", "1", "x"]]);
  await same.of({ key: "a", version: "1" }, read);
  expect(same.isChanged).toBe(false);
  const replaced = one([["a", "1", "x"]]);
  await replaced.of({ key: "a", version: "2" }, read);
  expect(replaced.isChanged).toBe(true);
  expect(one([["a", "1", "x"]]).isChanged).toBe(true);
  expect(one([]).isChanged).toBe(false);
});

test("catalogue cache: a failure is not remembered", async () => {
  const cache = new CatalogueCache([["a", "1", "good"]]);
  const fail = () => Promise.reject(new EtcdsafeError("STORAGE_UNREACHABLE", "gone"));
  await expect(cache.of({ key: "a", version: "2" }, fail)).rejects.toThrow("gone");
  expect(cache.documents).toEqual([]);
});

test("catalogue cache: a list has all that the whole documents say, and a fiftieth of their size", async () => {
  const storage = new MemoryStorage();
  const lineageSample = { threshold: "f".repeat(16), rows: Array.from({ length: 2000 }, (_, index) => `${index}:${"a".repeat(16)}`), newest: [] };
  const encryption = { scheme: "age", recipients: ["age1ql3z7hjy"], passphrase: false };
  const objects = sampleManifest().objects.map((object) => ({ ...object, encryption }));
  const { id } = await store(storage, { lineageSample, objects, tags: { env: "prod" } });
  const finding = { severity: "warning" as const, object: "snapshot.db.zst", offset: 1, text: "x".repeat(10_000) };
  const facts = { backup: id, level: "hash", outcome: "passed", startedAt: NOW.toISOString(), finishedAt: NOW.toISOString(), readSizeBytes: 1 } as const;
  await writeVerification(storage, "default", author, { ...facts, hashKv: null, failure: null, findings: [finding] }, { signal });
  const cache = new CatalogueCache([]);
  const brief = await listBriefly(repositoryOf(storage), "default", { signal, cache });
  const whole = await listBackups(repositoryOf(storage), "default", { signal });
  expect(whole).toMatchObject(brief);
  expect(brief).toMatchObject([{ id, manifest: { tags: { env: "prod" }, objects: [{ encryption }] }, verifications: { hash: { outcome: "passed" } } }]);
  expect(JSON.stringify(cache.documents).length * 50).toBeLessThan(JSON.stringify(whole).length);
});

test("catalogue cache: whatever becomes of the store, a list with it is the one without it", async () => {
  const day = fc.integer({ min: 1, max: 5 });
  const change = fc.oneof(
    fc.record({ kind: fc.constantFrom("store" as const), day, state: fc.constantFrom("proven" as const, "suspect" as const, "partial" as const) }),
    fc.record({ kind: fc.constantFrom("break" as const, "shorten" as const, "lose" as const, "remove" as const, "sign" as const, "pin" as const), day }),
    fc.record({ kind: fc.constantFrom("unpin" as const, "break pin" as const, "delete" as const), day }),
    fc.record({
      kind: fc.constantFrom("verify" as const),
      day,
      outcome: fc.constantFrom("passed" as const, "failed" as const),
      at: fc.integer({ min: 0, max: 9 }),
    }),
    fc.record({ kind: fc.constantFrom("break verifications" as const), day }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }), async (steps) => {
      const storage = new MemoryStorage();
      let cache = new CatalogueCache([]);
      for (const changes of steps) {
        for (const each of changes) await apply(storage, each);
        const options = { signal, now: NOW };
        const without = await viewCatalogue(repositoryOf(storage), "default", options);
        expect(await viewCatalogue(repositoryOf(storage), "default", { ...options, cache })).toEqual(without);
        cache = kept(cache);
      }
    }),
    { seed: SEED, numRuns: runs(100, 3_000) },
  );
});

interface Change {
  readonly kind: string;
  readonly day: number;
  readonly state?: Manifest["state"];
  readonly outcome?: "passed" | "failed";
  readonly at?: number;
}

async function apply(storage: MemoryStorage, { kind, day, state, outcome, at }: Change): Promise<void> {
  const createdAt = `2026-11-0${day}T09:30:00.000Z`;
  const { id } = sampleManifest({ createdAt });
  const object = backupObjectKey("default", id, "snapshot.db.zst");
  const pin = `default/pins/${id}.json`;
  const finishedAt = `2026-11-21T00:0${at}:00.000Z`;
  const facts = { backup: id, level: "hash", startedAt: finishedAt, finishedAt, readSizeBytes: 1, hashKv: null } as const;
  const failure = { code: "OBJECT_CORRUPT", message: "it rots", hint: "h" };
  const isThere = storage.bytesOf(manifestKey("default", id)) !== undefined;
  if (kind === "store") await store(storage, { createdAt, state: state! });
  if (kind === "break" && isThere) await put(storage, manifestKey("default", id), Buffer.from("{"));
  if (kind === "shorten") await put(storage, object, new Uint8Array(50));
  if (kind === "lose") await storage.remove(object, { signal });
  if (kind === "remove") await storage.remove(manifestKey("default", id), { signal });
  if (kind === "sign") await put(storage, `${manifestKey("default", id)}.sig`, new Uint8Array(1));
  if (kind === "pin") await writePin(storage, "default", author, { backup: id, reason: "r", pinnedAt: createdAt }, { signal });
  if (kind === "unpin") await storage.remove(pin, { signal });
  if (kind === "break pin" && storage.bytesOf(pin) !== undefined) await put(storage, pin, Buffer.from("{"));
  if (kind === "delete") await put(storage, `default/deleting/${id}.json`, new Uint8Array(1));
  if (kind === "verify")
    await writeVerification(
      storage,
      "default",
      author,
      { ...facts, outcome: outcome!, findings: [], failure: outcome === "failed" ? failure : null },
      { signal },
    );
  if (kind === "break verifications")
    for (const { key } of await Array.fromAsync(storage.list(`default/verifications/${id}/`, { signal }))) await put(storage, key, Buffer.from("{"));
}

test("catalogue cache: ten thousand backups that are remembered cost the pages of a listing, and not one document", { timeout: 60_000 }, async () => {
  const count = 10_000;
  const inner = new MemoryStorage();
  const template = Buffer.from(encodeManifest(sampleManifest({ createdAt: "2026-11-21T09:30:00.000Z" }))).toString();
  const verified = JSON.stringify({
    ...{ format: 1, requires: [], ...author, cluster: "default", backup: "BACKUP", level: "hash", outcome: "passed", startedAt: NOW, finishedAt: NOW },
    ...{ readSizeBytes: 1, hashKv: null, failure: null, findings: [], findingsTotal: 0 },
  });
  const ids: string[] = [];
  for (let hour = 0; hour < count; hour++) {
    const createdAt = new Date(NOW.getTime() - hour * 3_600_000).toISOString();
    const { id } = sampleManifest({ createdAt });
    ids.push(id);
    const manifest = template.replaceAll("2026-11-21T09:30:00.000Z", createdAt).replace("20261121T093000Z-0000000000000012345-aaaaaa", id);
    await put(inner, manifestKey("default", id), Buffer.from(manifest));
    await put(inner, backupObjectKey("default", id, "snapshot.db.zst"), new Uint8Array(100));
    await put(inner, `default/verifications/${id}/20261122T120000.000Z-hash-passed.json`, Buffer.from(verified.replace("BACKUP", id)));
  }
  await writePin(inner, "default", author, { backup: ids[5]!, reason: "r", pinnedAt: NOW.toISOString() }, { signal });
  const failure = { code: "STORAGE_FULL", message: "m", hint: "h" };
  const attempt = { action: "save", phase: "upload", backup: null, startedAt: NOW.toISOString(), finishedAt: NOW.toISOString(), failure } as const;
  await writeAttempt(inner, "default", author, attempt, { signal, runtime: testRuntime() });

  const { counted, storage } = counting(inner);
  const cold = new CatalogueCache([]);
  const options = { signal, now: NOW };
  const first = await viewCatalogue(repositoryOf(storage), "default", { ...options, cache: cold });
  expect(first.entries.map(({ id }) => id)).toEqual(ids);
  expect(first).toMatchObject({ failed: { total: 1 }, points: { single: { count } } });
  expect(counted.reads).toHaveLength(2 * count + 2);

  Object.assign(counted, { reads: [], pages: 0 });
  const warm = kept(cold);
  expect(await viewCatalogue(repositoryOf(storage), "default", { ...options, cache: warm })).toEqual(first);
  expect(counted).toEqual({ reads: [], pages: Math.ceil((2 * count) / PAGE) + Math.ceil(count / PAGE) + 4 });
  expect(warm.isChanged).toBe(false);

  // One that is new, and one that is verified anew, cost what they are.
  await inner.remove(manifestKey("default", ids[0]!), { signal });
  await put(inner, manifestKey("default", ids[1]!), Buffer.from(inner.bytesOf(manifestKey("default", ids[1]!))!));
  const changed = kept(warm);
  await viewCatalogue(repositoryOf(storage), "default", { ...options, cache: changed });
  expect(counted.reads).toEqual([manifestKey("default", ids[1]!)]);
  expect(changed.isChanged).toBe(true);
});

test("catalogue: many manifests are read at once, and not too many", async () => {
  const inner = new MemoryStorage();
  for (let hour = 0; hour < 100; hour++) await store(inner, { createdAt: new Date(NOW.getTime() - hour * 3_600_000).toISOString() });
  let [now, most] = [0, 0];
  const slow = wrapped(inner, {
    read: async function* (key, options) {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 2));
      yield* inner.read(key, options);
      now--;
    },
  });
  expect(await listBriefly(repositoryOf(slow), "default", { signal })).toHaveLength(100);
  expect(most).toBe(32);
});
