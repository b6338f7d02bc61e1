// Copies between repositories in memory: what goes, what stays, and what is left where a store fails, lies, or the process dies.
import { generateKeyPairSync } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { collect } from "../../src/bytes/stream.ts";
import { applyCopy, type CopiedBackup, type CopyRequest, expectedResults, planCopy } from "../../src/copy/copy.ts";
import type { CopyOptions } from "../../src/copy/copy-backup.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { applyGc, planGc } from "../../src/maintenance/gc.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { type ClusterFile, readClusterFile, writeClusterFile } from "../../src/repository/cluster-file.ts";
import { placeUploadMarker } from "../../src/repository/held-marker.ts";
import { type Manifest, readManifest, snapshotObject } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey, pinKey, uploadKey } from "../../src/repository/names.ts";
import { decodeObject } from "../../src/repository/object-decoder.ts";
import { readPins, writePin } from "../../src/repository/pins.ts";
import type { Resigning } from "../../src/repository/resigning.ts";
import { writeRestoreRecord } from "../../src/repository/sidecars.ts";
import { encodeSignature, readSigningKey, type SigningKey } from "../../src/repository/signature.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { corruptingStorage, forgettingStorage } from "../faults/kit/lying-storages.ts";
import { failingStorage, stallingStorage } from "../faults/kit/storages.ts";
import { type AgeKeyPair, newAgeKeys } from "../support/age-keys.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import {
  AUTHOR,
  CLUSTER,
  change,
  newRepository,
  put,
  recordingRuntime,
  type StoredRepository,
  signal,
  someSnapshot,
  storeBackup,
} from "../verify/stored-backup.ts";

const CLUSTER_ID = "cdf818194e3a8c32";
const LATER = "2026-11-22T09:30:00.000Z";
const RESIGNING: Resigning = { signing: undefined, isProven: false, allowUnsigned: false, allowUnproven: false };
let own: AgeKeyPair;
let other: AgeKeyPair;

beforeAll(async () => {
  [own, other] = [await newAgeKeys(), await newAgeKeys()];
});

/** Whose heartbeats wait: those of the other one come as fast as they can. */
function runtimeAt(now?: () => Date): ReturnType<typeof recordingRuntime> {
  const sleep = (_delayMs: number, end: AbortSignal) => new Promise<void>((resolve) => end.addEventListener("abort", () => resolve(), { once: true }));
  return { ...recordingRuntime(), sleep, ...(now && { now }) };
}

type Changes = Partial<CopyRequest> &
  Partial<Pick<CopyOptions, "keys" | "isGone" | "signal" | "protection">> & { readonly runtime?: ReturnType<typeof recordingRuntime> };

/** Plans, and carries it out. */
async function copy(from: StoredRepository, to: Storage, changes: Changes = {}): Promise<CopiedBackup[]> {
  const { keys, isGone = () => true, protection = {}, runtime = runtimeAt(), signal: end = signal, ...asked } = changes;
  const request: CopyRequest = {
    from,
    to,
    clusters: [CLUSTER],
    selection: { last: undefined, since: undefined },
    encryption: "not-said",
    resigning: RESIGNING,
    isOnThisHost: true,
    ...asked,
  };
  const plan = await planCopy(request, { keys, signal: end });
  return applyCopy(request, plan, { runtime, signal: end, author: AUTHOR, keys, protection, isGone });
}

/** A repository with a bound cluster. */
async function boundRepository(changes: Partial<ClusterFile> = {}): Promise<StoredRepository> {
  const repository = await newRepository();
  await writeClusterFile(repository.storage, clusterFile(changes), undefined, { signal });
  return repository;
}

function clusterFile(changes: Partial<ClusterFile> = {}): ClusterFile {
  const time = "2026-11-21T09:30:07.210Z";
  const clusterId = changes.clusterId ?? CLUSTER_ID;
  return {
    format: 1,
    requires: [],
    cluster: CLUSTER,
    clusterId,
    members: [],
    kubeSystemUid: null,
    updatedAt: time,
    bindings: [{ clusterId, boundAt: time, by: "first-save", restore: null }],
    adoptionPending: false,
    timeline: null,
    ...changes,
  };
}

test("copy: everything that a backup has goes byte for byte, with what its cluster is bound to; the next copy finds nothing to do", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot(), { encryption: own });
  await put(from.storage, `${manifestKey(CLUSTER, id)}.sig`, Buffer.from("a signature"));
  await put(from.storage, pinKey(CLUSTER, id), Buffer.from("a pin"));
  const record = await restored(from, "1f0a9c3b5d7e2468");
  const to = new MemoryStorage();
  expect(await copy(from, to)).toMatchObject([{ backup: id, outcome: "copied", encryption: { recipients: own.recipients }, failure: null }]);
  const expected = (await keysOf(from.storage)).filter((key) => key !== "etcdsafe-repository.json");
  for (const key of expected) expect(Buffer.from(to.bytesOf(key)!), key).toEqual(Buffer.from(from.storage.bytesOf(key)!));
  expect(expected).toContain(record);
  expect((await keysOf(to)).filter((key) => !expected.includes(key) && key !== "etcdsafe-repository.json")).toEqual([
    expect.stringContaining(`/verifications/${id}/`),
  ]);
  expect((await listBackups({ ...from, storage: to }, CLUSTER, { signal }))[0]).toMatchObject({ verifications: { "stored-bytes": { outcome: "passed" } } });
  const before = await keysOf(to);
  expect(await copy(from, to)).toMatchObject([{ outcome: "present", as: id }]);
  expect(await keysOf(to)).toEqual(before);
  // What somebody has unpinned there stays so.
  await to.remove(pinKey(CLUSTER, id), { signal });
  await copy(from, to);
  expect(await keysOf(to)).toEqual(before.filter((key) => key !== pinKey(CLUSTER, id)));
});

test("copy: encrypted to others on the way, with keys of their own, under the same id; what is so already goes as it is", async () => {
  const from = await boundRepository();
  const raw = someSnapshot();
  const plain = await storeBackup(from, raw, { second: "00" });
  const closed = await storeBackup(from, raw, { second: "01", encryption: own });
  const right = await storeBackup(from, raw, { second: "02", encryption: other });
  const to = new MemoryStorage();
  await expectThrown("DECRYPTION_KEY_MISSING", () => copy(from, to, { encryption: other }), /encrypting it to others takes a key/);
  expect(await keysOf(to)).toEqual([]);
  expect(await copy(from, to, { encryption: other, keys: own.keys })).toHaveLength(3);
  for (const id of [plain, closed, right]) {
    const manifest = await readManifest(to, CLUSTER, id, { signal });
    const object = snapshotObject(manifest);
    expect(object).toMatchObject({ name: "snapshot.db.zst.age", encryption: { recipients: other.recipients } });
    const opened = decodeObject(to, backupObjectKey(CLUSTER, id, object.name), object, { signal, keys: other.keys });
    expect(Buffer.from(await collect(opened, 1e9, () => new Error()))).toEqual(Buffer.from(raw));
  }
  expect(to.bytesOf(manifestKey(CLUSTER, right))).toEqual(from.storage.bytesOf(manifestKey(CLUSTER, right)));
  expect((await copy(from, to, { encryption: own, keys: own.keys })).map(({ outcome }) => outcome)).toEqual(["present", "present", "present"]);
});

test("copy: a signature is not lost without a word, neither on the way nor by what is there", async () => {
  const from = await boundRepository();
  const ids = [await storeBackup(from, someSnapshot(1), { second: "00" }), await storeBackup(from, someSnapshot(2), { second: "01" })] as const;
  const signature = `${manifestKey(CLUSTER, ids[0])}.sig`;
  const key = manifestKey(CLUSTER, ids[0]);
  const signer = readSigningKey(generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }) as string) as SigningKey;
  await put(from.storage, signature, encodeSignature(key, from.storage.bytesOf(key)!, signer));
  const to = new MemoryStorage();
  const allowed = { resigning: { ...RESIGNING, allowUnsigned: true } };
  const unsigned = { backup: ids[0], outcome: "failed", failure: { code: "SIGNATURE_REQUIRED" } };
  expect(await copy(from, to, { encryption: other })).toMatchObject([
    { backup: ids[1], outcome: "copied" },
    { ...unsigned, failure: { code: "SIGNATURE_REQUIRED", message: expect.stringMatching(/is signed, and its copy would not be/) } },
  ]);
  expect((await keysOf(to)).filter((key) => key.includes(ids[0]))).toEqual([]);
  expect(await copy(from, to, { encryption: other, ...allowed })).toMatchObject([{ outcome: "present" }, { outcome: "copied" }]);
  const before = await keysOf(to);
  const message = expect.stringMatching(/already, without the signature that it has where it is copied from$/);
  for (const encryption of ["not-said", other] as const)
    expect(await copy(from, to, { encryption })).toMatchObject([{ outcome: "present" }, { ...unsigned, failure: { code: "SIGNATURE_REQUIRED", message } }]);
  expect(await copy(from, to, allowed)).toMatchObject([{ outcome: "present" }, { outcome: "present", as: ids[0] }]);
  expect(await keysOf(to)).toEqual(before);
  await put(to, signature, Buffer.from("junk"));
  expect(await copy(from, to)).toMatchObject([{ outcome: "present" }, { ...unsigned, failure: { code: "SIGNATURE_REQUIRED", message } }]);
  await put(to, signature, encodeSignature(key, to.bytesOf(key)!, signer));
  expect(await copy(from, to)).toMatchObject([{ outcome: "present" }, { outcome: "present" }]);
});

test("copy: what would lie unencrypted outside this host, or where a policy forbids it, is refused before anything is written", async () => {
  const from = await boundRepository();
  await storeBackup(from, someSnapshot(), { second: "00" });
  const to = new MemoryStorage();
  await expectThrown("ENCRYPTION_REQUIRED", () => copy(from, to, { isOnThisHost: false }), /outside this host/);
  expect(await keysOf(to)).toEqual([]);
  expect(await copy(from, to, { isOnThisHost: false, encryption: "unencrypted" })).toMatchObject([{ outcome: "copied", encryption: null }]);
  const strict = await newRepository();
  await change(strict.storage, "etcdsafe-repository.json", (bytes) =>
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(bytes).toString()), policy: { encryption: { required: true, recipients: [] } } })),
  );
  await expectThrown("ENCRYPTION_REQUIRED", () => copy(from, strict.storage, { encryption: "unencrypted" }), /policy/);
  await change(strict.storage, "etcdsafe-repository.json", (bytes) =>
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(bytes).toString()), policy: { encryption: { required: true, recipients: other.recipients } } })),
  );
  expect(await copy(from, strict.storage)).toMatchObject([{ outcome: "copied", encryption: { recipients: other.recipients } }]);
});

test("copy: the newest so many, or those since then; damaged ones are not copied, and do not count", async () => {
  const from = await boundRepository();
  const ids: string[] = [];
  for (const second of ["00", "01", "02", "03"]) ids.push(await storeBackup(from, someSnapshot(), { second }));
  await change(from.storage, backupObjectKey(CLUSTER, ids[3]!, "snapshot.db.zst"), (bytes) => bytes.subarray(1));
  await put(from.storage, manifestKey(CLUSTER, "20261121T093004Z-0000000000000000002-aaaaaa"), Buffer.from("{}"));
  const to = new MemoryStorage();
  const results = await copy(from, to, { selection: { last: 2, since: undefined } });
  expect(results.map(({ backup, failure }) => [backup.slice(13, 15), failure?.code])).toEqual([
    ["04", "MANIFEST_INVALID"],
    ["03", "SNAPSHOT_DAMAGED"],
    ["02", undefined],
    ["01", undefined],
  ]);
  const later = await copy(from, new MemoryStorage(), { selection: { last: undefined, since: new Date("2026-11-21T09:30:02.000Z") } });
  expect(later.map(({ backup }) => backup.slice(13, 15))).toEqual(["04", "03", "02"]);
});

test("copy: of what was rekeyed the newest goes, and what is there under another id counts as there", async () => {
  const from = await boundRepository();
  const old = await storeBackup(from, someSnapshot(), { encryption: own });
  const rekeyed = await storeBackup(from, someSnapshot(), {
    encryption: other,
    suffix: "bbbbbb",
    change: (manifest) => ({ ...manifest, publishedAt: LATER, origin: { kind: "rekeyed", base: old } }),
  });
  const to = new MemoryStorage();
  expect(await copy(from, to)).toMatchObject([
    { backup: rekeyed, outcome: "copied" },
    { backup: old, outcome: "present", as: rekeyed },
  ]);
});

test("copy: what stands for a backup that is pinned is pinned there, whichever of the two was copied first", async () => {
  const from = await boundRepository();
  const old = await storeBackup(from, someSnapshot(), { encryption: own });
  const rekeyed = await storeBackup(from, someSnapshot(), { encryption: other, suffix: "bbbbbb", change: (manifest) => ({ ...manifest, publishedAt: LATER }) });
  const pinnedIn = async (storage: MemoryStorage) => [...(await readPins(storage, CLUSTER, { signal }))].map(([id, { reason }]) => [id, reason]);
  const before = new MemoryStorage();
  await copy(from, before);
  expect(await pinnedIn(before)).toEqual([]);
  await writePin(from.storage, CLUSTER, AUTHOR, { backup: old, reason: "before 3.7", pinnedAt: LATER }, { signal });
  for (const to of [before, new MemoryStorage()]) {
    await copy(from, to);
    expect(await pinnedIn(to)).toEqual([[rekeyed, "before 3.7"]]);
  }
});

test("copy: where what was to stand for a backup is not copied, that is copied itself, or fails as well", async () => {
  const from = await boundRepository();
  const others = { change: (manifest: Manifest): Manifest => ({ ...manifest, publishedAt: LATER }) };
  const plain = await storeBackup(from, someSnapshot(), { suffix: "aaaaaa" });
  const same = await storeBackup(from, someSnapshot(), { suffix: "bbbbbb" });
  const rekeyed = await storeBackup(from, someSnapshot(), { ...others, encryption: other, suffix: "cccccc" });
  await change(from.storage, backupObjectKey(CLUSTER, rekeyed, "snapshot.db.zst.age"), (bytes) => bytes.with(500, bytes[500]! ^ 1));
  const outcomes = (results: CopiedBackup[]) => new Map(results.map(({ backup, outcome, as, failure }) => [backup, as ?? failure?.code ?? outcome]));
  const to = new MemoryStorage();
  const [first, second] = [outcomes(await copy(from, to)), outcomes(await copy(from, to))];
  const copied = first.get(plain) === "copied" ? plain : same;
  expect(first).toEqual(new Map([...[plain, same].map((id) => [id, id === copied ? "copied" : copied] as const), [rekeyed, "OBJECT_CORRUPT"]]));
  expect(new Set(second.values())).toEqual(new Set([copied]));
  expect((await catalogue(to)).map(({ id }) => id)).toEqual([copied]);
  const key = { keys: own.keys, encryption: other };
  const unreachable = failingStorage(new MemoryStorage(), { operations: ["put"], key: /snapshot\.db/ });
  expect(new Set(outcomes(await copy(from, unreachable, key)).values())).toEqual(new Set(["STORAGE_UNREACHABLE"]));
});

test("copy: what stands for a backup that cannot be opened is copied without its key, and only where that fails the key is missed", async () => {
  const from = await boundRepository();
  const old = await storeBackup(from, someSnapshot(), { encryption: own });
  const asRekeyed = (manifest: Manifest): Manifest => ({ ...manifest, publishedAt: LATER, origin: { kind: "rekeyed", base: old } });
  const rekeyed = await storeBackup(from, someSnapshot(), { encryption: other, suffix: "bbbbbb", change: asRekeyed });
  expect(await copy(from, new MemoryStorage(), { encryption: other })).toMatchObject([{ outcome: "copied" }, { backup: old, as: rekeyed }]);
  await change(from.storage, backupObjectKey(CLUSTER, rekeyed, "snapshot.db.zst.age"), (bytes) => bytes.with(500, bytes[500]! ^ 1));
  expect(await copy(from, new MemoryStorage(), { encryption: other })).toMatchObject([
    { backup: rekeyed, failure: { code: "OBJECT_CORRUPT" } },
    { backup: old, failure: { code: "DECRYPTION_KEY_MISSING" } },
  ]);
});

test("copy: another backup under the same id, one that is damaged there or being removed, is left alone and said", async () => {
  const from = await boundRepository();
  const ids: string[] = [];
  for (const second of ["00", "01", "02"]) ids.push(await storeBackup(from, someSnapshot(), { second }));
  const to = await boundRepository();
  await storeBackup(to, someSnapshot(8), { second: "00" });
  await storeBackup(to, someSnapshot(), { second: "01" });
  await change(to.storage, backupObjectKey(CLUSTER, ids[1]!, "snapshot.db.zst"), (bytes) => bytes.subarray(1));
  await put(to.storage, `${CLUSTER}/deleting/${ids[2]}.json`, Buffer.from("{}"));
  const before = await keysOf(to.storage);
  expect((await copy(from, to.storage)).map(({ backup, outcome, failure }) => [backup, outcome, failure?.code])).toEqual([
    [ids[2], "failed", "STORAGE_CONFLICT"],
    [ids[1], "failed", "SNAPSHOT_DAMAGED"],
    [ids[0], "failed", "STORAGE_CONFLICT"],
  ]);
  expect(await keysOf(to.storage)).toEqual(before);
});

test("copy: one cluster's backups do not come under another's name; a copy follows its source, unless it was bound since", async () => {
  const from = await boundRepository();
  await storeBackup(from, someSnapshot());
  const stranger = await boundRepository({ clusterId: "1111111111111111" });
  await expectThrown("CLUSTER_MISMATCH", () => copy(from, stranger.storage), /never been the same cluster/);
  const kubernetes = await boundRepository({ kubeSystemUid: "5c4c6f62-7d5a-4c1c-9e9a-0f6f0f3c2f11" });
  await expectThrown(
    "CLUSTER_MISMATCH",
    async () => copy(await boundRepository({ kubeSystemUid: "6c4c6f62-7d5a-4c1c-9e9a-0f6f0f3c2f11" }), kubernetes.storage),
    /kube-system/,
  );
  const to = new MemoryStorage();
  await copy(from, to);
  const bound = (storage: Storage) => readClusterFile(storage, CLUSTER, { signal });
  const successor = { clusterId: "2222222222222222", boundAt: "2026-11-23T00:00:00.000Z", by: "restore" as const, restore: null };
  const now = await bound(from.storage);
  const continued = { ...now!.file, clusterId: successor.clusterId, bindings: [...now!.file.bindings, successor], updatedAt: "2026-11-23T00:00:00.000Z" };
  await writeClusterFile(from.storage, continued, now!.version, { signal });
  await copy(from, to);
  expect((await bound(to))!.file).toEqual(continued);
  const there = await bound(to);
  const own = { ...continued, bindings: [...continued.bindings, { ...successor, by: "adopt" as const }], updatedAt: "2026-11-24T00:00:00.000Z" };
  await writeClusterFile(to, own, there!.version, { signal });
  await copy(from, to);
  expect((await bound(to))!.file).toEqual(own);
});

test("copy: a source without a cluster file is copied, and said to be unbound", async () => {
  const from = await newRepository();
  await storeBackup(from, someSnapshot());
  const runtime = runtimeAt();
  expect(await copy(from, new MemoryStorage(), { runtime })).toMatchObject([{ outcome: "copied" }]);
  expect(runtime.events).toContainEqual({ level: "warn", message: expect.stringMatching(/no cluster\.json of default: .*repo adopt/) });
  await copy({ ...from, file: { ...from.file, stateStore: { location: "s3://state/etcd" } } }, new MemoryStorage(), { runtime });
  const where = /no cluster\.json of default \(it is in s3:\/\/state\/etcd: state-url in the file of --from-config\): /;
  expect(runtime.events).toContainEqual({ level: "warn", message: expect.stringMatching(where) });
  const looking = {
    storage: Object.assign(from.storage, { stateLocation: "s3://state/etcd" }),
    file: { ...from.file, stateStore: { location: "s3://state/etcd/" } },
  };
  const silent = runtimeAt();
  await copy(looking, new MemoryStorage(), { runtime: silent });
  expect(silent.events).not.toContainEqual({ level: "warn", message: expect.stringContaining("it is in") });
});

test.each([
  ["the source's bytes were changed", (bytes: Uint8Array) => bytes.with(50, bytes[50]! ^ 1)],
  ["the source's object was exchanged for one of the same size", (bytes: Uint8Array) => new Uint8Array(bytes.length)],
])("copy: where %s, nothing is left of it, and the others are copied", async (_, damage) => {
  for (const to of [undefined, other]) {
    const from = await boundRepository();
    const good = await storeBackup(from, someSnapshot(), { second: "00" });
    const bad = await storeBackup(from, someSnapshot(), { second: "01" });
    await change(from.storage, backupObjectKey(CLUSTER, bad, "snapshot.db.zst"), damage);
    const target = new MemoryStorage();
    const results = await copy(from, wrapped(target, { location: "memory:target" }), to === undefined ? {} : { encryption: to });
    expect(results).toMatchObject([
      { backup: bad, outcome: "failed", failure: { code: expect.stringMatching(/^OBJECT_/), message: expect.not.stringContaining("memory:target") } },
      { backup: good, outcome: "copied" },
    ]);
    expect((await keysOf(target)).filter((key) => key.includes(bad))).toEqual([]);
  }
});

test("copy: what the target did not store as it was sent is not published, and is removed", async () => {
  for (const encryption of ["not-said", other] as const) {
    const from = await boundRepository();
    const id = await storeBackup(from, someSnapshot());
    for (const lying of ["changes", "forgets"]) {
      const inner = new MemoryStorage();
      const target =
        lying === "changes" ? corruptingStorage(inner, 40, { operations: ["put"], key: /snapshot\.db/ }) : forgettingStorage(inner, /snapshot\.db/);
      const results = await copy(from, target, { encryption });
      expect(results).toMatchObject([{ outcome: "failed" }]);
      expect((await keysOf(inner)).filter((key) => key.includes(id))).toEqual([]);
    }
  }
});

test("copy: a store that cannot be used any more is not tried for each of the others", async () => {
  const from = await boundRepository();
  for (const second of ["00", "01", "02"]) await storeBackup(from, someSnapshot(), { second });
  let tries = 0;
  const target = failingStorage(new MemoryStorage(), {
    operations: ["put"],
    key: /snapshot\.db/,
    error: () => {
      tries++;
      return new EtcdsafeError("STORAGE_UNREACHABLE", "gone");
    },
  });
  const results = await copy(from, target);
  expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "failed", "failed"]);
  expect(tries).toBe(1);
});

test("copy: one that is stopped leaves nothing of the backup that was under way", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  const inner = new MemoryStorage();
  const stop = new AbortController();
  const copying = copy(from, stallingStorage(inner, { operations: ["put"], key: /snapshot\.db/ }), { signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 100);
  await expect(copying).rejects.toThrow("enough");
  expect((await keysOf(inner)).filter((key) => key.includes(id))).toEqual([]);
});

test("copy: what another process is writing is left to it; what a dead one left is finished, and what is whole of it is not sent again", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  const to = await boundRepository();
  const key = backupObjectKey(CLUSTER, id, "snapshot.db.zst");
  const dead = { ...AUTHOR, writer: { host: "another", pid: 2 } };
  await placeUploadMarker(to, { author: dead, cluster: CLUSTER, backup: id, action: "copy" }, { runtime: runtimeAt(), signal });
  const refused = await copy(from, to.storage, { isGone: () => false, runtime: runtimeAt(() => new Date()) });
  expect(refused).toMatchObject([
    { outcome: "failed", failure: { code: "STORAGE_CONFLICT", message: expect.stringContaining("copy on another (process 2)") } },
  ]);
  expect(to.storage.bytesOf(uploadKey(CLUSTER, id))).toBeDefined();
  await put(to.storage, key, from.storage.bytesOf(key)!);
  await put(to.storage, `${manifestKey(CLUSTER, id)}.sig`, Buffer.from("of another run"));
  const { version } = (await to.storage.stat(key, { signal }))!;
  expect(await copy(from, to.storage)).toMatchObject([{ outcome: "copied" }]);
  expect((await to.storage.stat(key, { signal }))!.version).toBe(version);
  expect((await keysOf(to.storage)).filter((each) => each.includes(id) && !each.includes("verifications"))).toEqual([manifestKey(CLUSTER, id), key]);
});

test("copy: what a process has begun that nobody knows is taken over after three heartbeats that stayed away, by the store's time", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  for (const hasClock of [true, false]) {
    const to = await boundRepository();
    const dead = { ...AUTHOR, writer: { host: "another", pid: 2 } };
    await placeUploadMarker(to, { author: dead, cluster: CLUSTER, backup: id, action: "copy" }, { runtime: runtimeAt(), signal });
    let ageMs = 0;
    const aged = wrapped(to.storage, {
      stat: async (key, options) => {
        const info = await to.storage.stat(key, options);
        return info && (key === uploadKey(CLUSTER, id) ? { ...info, modifiedAt: new Date(info.modifiedAt.getTime() - ageMs) } : info);
      },
      ...(hasClock && { clock: { now: async () => ({ time: new Date(), uncertaintyMs: 0 }) } }),
    });
    // This host's clock is an hour ahead of the store's.
    const runtime = () => runtimeAt(() => new Date(Date.now() + 3_600_000));
    expect(await copy(from, aged, { isGone: () => false, runtime: runtime() })).toMatchObject([{ failure: { code: "STORAGE_CONFLICT" } }]);
    ageMs = 181_000;
    expect(await copy(from, aged, { isGone: () => false, runtime: runtime() })).toMatchObject([{ outcome: "copied" }]);
    expect((await keysOf(to.storage)).filter((key) => key.startsWith("_probe/"))).toEqual([]);
  }
});

test("copy: what may be another's by now, where a store ignores conditions, is neither taken over for its process nor removed", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  const to = await boundRepository();
  await change(to.storage, "etcdsafe-repository.json", (bytes) =>
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(bytes).toString()), ignoresConditions: true })),
  );
  const dead = { ...AUTHOR, writer: { host: "another", pid: 2 } };
  await placeUploadMarker(to, { author: dead, cluster: CLUSTER, backup: id, action: "copy" }, { runtime: runtimeAt(), signal });
  const conflict = [{ outcome: "failed", failure: { code: "STORAGE_CONFLICT" } }];
  expect(await copy(from, to.storage)).toMatchObject(conflict);
  await to.storage.remove(uploadKey(CLUSTER, id), { signal });
  const key = backupObjectKey(CLUSTER, id, "snapshot.db.zst");
  await put(to.storage, key, Buffer.from("half"));
  expect(await copy(from, to.storage)).toMatchObject(conflict);
  expect(Buffer.from(to.storage.bytesOf(key)!).toString()).toBe("half");
});

test("copy: what was finished by another meanwhile is left as it is", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  for (const encryption of ["not-said", other] as const) {
    const to = await boundRepository();
    const slow = wrapped(to.storage, {
      put: async (key, body, options) => {
        if (key === uploadKey(CLUSTER, id) && to.storage.bytesOf(manifestKey(CLUSTER, id)) === undefined) await copy(from, to.storage);
        return to.storage.put(key, body, options);
      },
    });
    expect(await copy(from, slow, { encryption })).toMatchObject([
      { outcome: "failed", failure: { code: "STORAGE_CONFLICT", message: expect.stringContaining("was finished in memory: by another process meanwhile") } },
    ]);
    expect(await catalogue(to.storage)).toMatchObject([{ id, state: "unconfirmed" }]);
    expect((await keysOf(to.storage)).filter((each) => each.includes("/uploads/"))).toEqual([]);
  }
});

test("copy: a restore on record that the target has under the key with its time is there; where neither key has it, that is said", async () => {
  const from = await boundRepository();
  await storeBackup(from, someSnapshot());
  const key = await restored(from, "1f0a9c3b5d7e2468");
  const bytes = from.storage.bytesOf(key)!;
  const timed = key.replace(".json", "-20261123T110000.000Z.json");
  const other = Buffer.from("another restore of that cluster id");
  for (const [there, logged] of [
    [bytes, []],
    [undefined, []],
    [other, [expect.objectContaining({ level: "warn", message: expect.stringContaining("another restore on record under that key") })]],
  ] as const) {
    const { storage } = await newRepository();
    await put(storage, key, other);
    if (there !== undefined) await put(storage, timed, there);
    const runtime = runtimeAt();
    await copy(from, storage, { runtime });
    expect(runtime.events.filter(({ level }) => level === "warn")).toEqual(logged);
    expect(Buffer.from(storage.bytesOf(key)!)).toEqual(other);
    expect(Buffer.from(storage.bytesOf(timed)!)).toEqual(Buffer.from(there ?? bytes));
  }
});

test("copy: two that begin at once in one target both tell what became of each backup, and the cluster is bound", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  await restored(from, "1f0a9c3b5d7e2468");
  const file = (await readClusterFile(from.storage, CLUSTER, { signal }))!.file;
  const to = await newRepository();
  // Both have seen nothing of the other's when they write.
  const slow = wrapped(to.storage, {
    put: async (key, body, options) => {
      if (key.endsWith("cluster.json")) await writeClusterFile(to.storage, file, undefined, { signal });
      if (key.includes("/restores/")) await put(to.storage, key, from.storage.bytesOf(key)!);
      return to.storage.put(key, body, options);
    },
  });
  expect(await copy(from, slow)).toMatchObject([{ outcome: "copied" }]);
  const stranger = await newRepository();
  const taken = wrapped(stranger.storage, {
    put: async (key, body, options) => {
      if (key.endsWith("cluster.json")) await writeClusterFile(stranger.storage, clusterFile({ clusterId: "1111111111111111" }), undefined, { signal });
      return stranger.storage.put(key, body, options);
    },
  });
  expect(await copy(from, taken)).toMatchObject([
    { backup: id, outcome: "failed", failure: { code: "STORAGE_CONFLICT", message: expect.stringContaining("somebody else has bound default") } },
  ]);
  expect(await catalogue(stranger.storage)).toEqual([]);
});

test("copy: encrypted to some of those that are asked for is not as asked", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot(), { encryption: own });
  const to = new MemoryStorage();
  const both = { recipients: [...own.recipients, ...other.recipients] };
  expect(await copy(from, to, { encryption: both, keys: own.keys })).toMatchObject([{ outcome: "copied" }]);
  expect(new Set(snapshotObject(await readManifest(to, CLUSTER, id, { signal })).encryption!.recipients)).toEqual(
    new Set([...own.recipients, ...other.recipients]),
  );
});

test("copy: a backup that is replaced while it is copied is not what was planned", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  const to = new MemoryStorage();
  const replacing = wrapped(to, {
    put: async (key, body, options) => {
      if (key === uploadKey(CLUSTER, id)) await storeBackup(from, someSnapshot(8));
      return to.put(key, body, options);
    },
  });
  expect(await copy(from, replacing)).toMatchObject([
    { outcome: "failed", failure: { code: "STORAGE_CONFLICT", message: expect.stringContaining("was replaced in memory: while it was copied") } },
  ]);
  expect(to.bytesOf(manifestKey(CLUSTER, id))).toBeUndefined();
});

test("copy: what a dead one left and is not what belongs there is replaced, also where it has the same size", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  const key = backupObjectKey(CLUSTER, id, "snapshot.db.zst");
  const bytes = from.storage.bytesOf(key)!;
  for (const left of [bytes.with(50, bytes[50]! ^ 1), bytes.subarray(1)]) {
    const to = await boundRepository();
    await put(to.storage, key, left);
    await put(to.storage, backupObjectKey(CLUSTER, id, "bundle.tar.zst"), bytes);
    expect(await copy(from, to.storage)).toMatchObject([{ outcome: "copied" }]);
    expect(to.storage.bytesOf(key)).toEqual(bytes);
    expect(to.storage.bytesOf(backupObjectKey(CLUSTER, id, "bundle.tar.zst"))).toBeUndefined();
  }
});

test("copy: a store that loses the process's life at any put is put right by the next copy, and gc finds nothing then", async () => {
  const from = await boundRepository();
  const ids = [await storeBackup(from, someSnapshot(), { second: "00" }), await storeBackup(from, someSnapshot(), { second: "01", encryption: own })];
  await restored(from, "1f0a9c3b5d7e2468");
  await put(from.storage, `${manifestKey(CLUSTER, ids[0]!)}.sig`, Buffer.from("a signature"));
  for (const encryption of ["not-said", other] as const) {
    const how = { encryption, keys: own.keys, resigning: { ...RESIGNING, allowUnsigned: encryption === other } };
    for (let at = 1; at < 30; at++) {
      const inner = new MemoryStorage();
      const dying = dyingAt(inner, at);
      const first = await copy(from, dying.storage, how).catch((error: unknown) => error);
      if (!dying.hasDied()) {
        expect(at).toBeGreaterThan(10);
        break;
      }
      void first;
      for (const entry of await catalogue(inner)) expect(entry).toMatchObject({ state: "unconfirmed" });
      await copy(from, inner, how);
      expect(await catalogue(inner)).toMatchObject(ids.toReversed().map((id) => ({ id, state: "unconfirmed" })));
      const repository = { storage: inner, file: from.file };
      const plan = await planGc(repository, { signal, runtime: recordingRuntime() });
      expect(plan, `put ${at}`).toEqual({ remove: [], leave: [] });
      await applyGc(repository, plan, AUTHOR, { signal, runtime: recordingRuntime() });
    }
  }
});

test("copy: the plan says the same, and writes nothing", async () => {
  const from = await boundRepository();
  const id = await storeBackup(from, someSnapshot());
  const to = new MemoryStorage();
  const selection = { last: undefined, since: undefined };
  const request: CopyRequest = { from, to, clusters: [CLUSTER], selection, encryption: other, resigning: RESIGNING, isOnThisHost: true };
  expect(expectedResults(await planCopy(request, { signal, keys: undefined }))).toMatchObject([
    { backup: id, outcome: "copied", encryption: { recipients: other.recipients } },
  ]);
  expect(await keysOf(to)).toEqual([]);
});

/** Every change from the `at`-th on fails, clean-up as well: as if the process had died. Every second one has taken effect before. */
function dyingAt(inner: MemoryStorage, at: number): { readonly storage: Storage; hasDied(): boolean } {
  let changes = 0;
  const died = () => new Error("died");
  const storage: Storage = {
    location: inner.location,
    capabilities: inner.capabilities,
    read: inner.read.bind(inner),
    stat: inner.stat.bind(inner),
    list: inner.list.bind(inner),
    put: async (key, body, options) => {
      if (++changes > at) throw died();
      if (changes < at) return inner.put(key, body, options);
      if (at % 2 === 0) await inner.put(key, body, options);
      throw died();
    },
    remove: async (key, options) => {
      if (++changes >= at) throw died();
      await inner.remove(key, options);
    },
  };
  return { storage, hasDied: () => changes >= at };
}

async function catalogue(storage: MemoryStorage) {
  return listBackups({ storage, file: (await newRepository()).file }, CLUSTER, { signal });
}

async function restored({ storage }: StoredRepository, clusterId: string): Promise<string> {
  const source = { backup: null, rawSha256: null, location: "/somewhere" };
  const parent = { clusterId: CLUSTER_ID, timeline: null, revision: "2" };
  const facts = {
    clusterId,
    purpose: "cluster",
    restoredAt: "2026-11-23T11:00:00.000Z",
    source,
    parent,
    revisionAfter: "9",
    markCompacted: true,
    members: [],
  } as const;
  return writeRestoreRecord(
    storage,
    CLUSTER,
    AUTHOR,
    { ...facts, members: [{ id: "91bc3c398fb3c146", name: "cp-1", peerUrls: ["https://10.0.0.1:2380"] }] },
    { signal },
  );
}

async function keysOf(storage: Storage): Promise<string[]> {
  return (await Array.fromAsync(storage.list("", { signal }))).map(({ key }) => key);
}
