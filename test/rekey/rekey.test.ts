// Backups stored again for others: by streaming, by the store's own copies, and not at all where the old one is bad or something fails.
import { beforeAll, expect, test } from "vitest";
import type { AgeKeys } from "../../src/age/identities.ts";
import { collect } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { rekeyBackup } from "../../src/rekey/rekey.ts";
import { rekeyAll } from "../../src/rekey/rekey-all.ts";
import { type BackupEntry, listBackups } from "../../src/repository/catalogue.ts";
import { type Manifest, snapshotObject } from "../../src/repository/manifest.ts";
import { manifestKey, pinKey, uploadKey } from "../../src/repository/names.ts";
import { decodeObject } from "../../src/repository/object-decoder.ts";
import { readPin, readPins, writePin } from "../../src/repository/pins.ts";
import type { Resigning } from "../../src/repository/resigning.ts";
import { encodeSignature, type SigningKey, signatureKey } from "../../src/repository/signature.ts";
import { onlySigned } from "../../src/repository/trusted-manifests.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { type AgeKeyPair, newAgeKeys } from "../support/age-keys.ts";
import { expectThrown } from "../support/failures.ts";
import type { MemoryStorage } from "../support/memory-storage.ts";
import { newSigningKey } from "../support/signing-key.ts";
import { AUTHOR, CLUSTER, newRepository, put, signal, someSnapshot, storeBackup } from "../verify/stored-backup.ts";
import { rekeyOptions as options, RESIGNING, encryptedSnapshotKey as snapshotKey } from "./rekeying.ts";

const PASSPHRASE = { passphrase: "a passphrase", workFactor: 10 };
let own: AgeKeyPair;
let other: AgeKeyPair;

beforeAll(async () => {
  [own, other] = [await newAgeKeys(), await newAgeKeys()];
});

for (const canCompose of [false, true]) {
  test(`rekey: a new header${canCompose ? ", the payload copied by the store" : ""}; the same bytes inside, the same age, and the newest`, async () => {
    const { storage, file } = await newRepository();
    const raw = someSnapshot();
    const id = await storeBackup({ storage, file }, raw, { encryption: own });
    const composing = canCompose ? composed(storage) : storage;
    const manifest = await rekeyBackup({ storage: composing, file }, AUTHOR, await entryOf(storage, id), options({ keys: own.keys, to: other }));
    expect(manifest).toMatchObject({ origin: { kind: "rekeyed", base: id, keepsKey: true }, createdAt: "2026-11-21T09:30:00.000Z" });
    expect(await opened(storage, manifest.id, other.keys)).toEqual(Buffer.from(raw));
    await expectThrown("DECRYPTION_FAILED", () => opened(storage, manifest.id, own.keys), /encrypted to others/);
    expect((await listBackups({ storage, file }, CLUSTER, { signal })).map((entry) => entry.id)).toEqual([manifest.id, id]);
    const payloadOf = await payloads(storage);
    expect(payloadOf.get(manifest.id)).toBe(payloadOf.get(id));
    expect(await uploads(storage)).toEqual([]);
  });
}

test("rekey: what is pinned is pinned again, for the same reason, before it is a backup", async () => {
  const { storage, file } = await newRepository();
  const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
  await writePin(storage, CLUSTER, AUTHOR, { backup: id, reason: "before the upgrade", pinnedAt: "2026-11-21T10:00:00.000Z" }, { signal });
  let wasPinned: boolean | undefined;
  const watching = wrapped(storage, {
    put: async (key, body, put) => {
      if (key.endsWith("/manifest.json")) wasPinned = (await readPin(storage, CLUSTER, key.split("/").at(-2)!, { signal })) !== undefined;
      return storage.put(key, body, put);
    },
  });
  const manifest = await rekeyBackup({ storage: watching, file }, AUTHOR, await entryOf(storage, id), options({ keys: own.keys, to: other }));
  expect(wasPinned).toBe(true);
  expect(await readPin(storage, CLUSTER, manifest.id, { signal })).toMatchObject({ reason: "before the upgrade" });
  // Of one that never came to be, no pin is left.
  const full = wrapped(storage, {
    put: async (key, body, put) => {
      if (key.endsWith("/manifest.json")) throw new EtcdsafeError("STORAGE_FULL", "full");
      return storage.put(key, body, put);
    },
  });
  const entry = await entryOf(storage, id);
  await expectThrown("STORAGE_FULL", () => rekeyBackup({ storage: full, file }, AUTHOR, entry, options({ keys: own.keys, to: other })), /full/);
  expect([...(await readPins(storage, CLUSTER, { signal })).keys()].sort()).toEqual([id, manifest.id].sort());
});

test("rekey: one that loses the new backup as it publishes says that it is there, and may lack objects", async () => {
  const { storage, file } = await newRepository();
  const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
  const losing = wrapped(storage, {
    put: async (key, body, put) => {
      if (key.endsWith("/manifest.json")) await storage.remove(uploadKey(CLUSTER, key.split("/").at(-2)!), { signal });
      return storage.put(key, body, put);
    },
  });
  const entry = await entryOf(storage, id);
  const rekeying = () => rekeyBackup({ storage: losing, file }, AUTHOR, entry, options({ keys: own.keys, to: other }));
  await expectThrown("WRITER_LEASE_LOST", rekeying, /^2\S+ is in memory:, but may lack objects: /);
});

test("rekey: to a passphrase, and from it with a new key", async () => {
  const repository = await newRepository();
  const raw = someSnapshot();
  const id = await storeBackup(repository, raw, { encryption: own });
  const locked = await rekeyBackup(repository, AUTHOR, await entryOf(repository.storage, id), options({ keys: own.keys, to: PASSPHRASE }));
  const keys = { identities: [], passphrase: PASSPHRASE.passphrase };
  expect(await opened(repository.storage, locked.id, keys)).toEqual(Buffer.from(raw));
  const again = await rekeyBackup(repository, AUTHOR, await entryOf(repository.storage, locked.id), options({ keys, to: other, newKey: true }));
  expect(await opened(repository.storage, again.id, other.keys)).toEqual(Buffer.from(raw));
});

test("rekey: of a backup whose object was changed nothing is published, and nothing is left", async () => {
  const { storage, file } = await newRepository();
  const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
  const key = snapshotKey(id);
  const bytes = storage.bytesOf(key)!;
  await put(storage, key, bytes.with(bytes.length - 100, bytes.at(-100)! ^ 1));
  const before = await keysOf(storage);
  for (const [each, newKey] of [
    [storage, false],
    [composed(storage), false],
    [storage, true],
  ] as const) {
    const rekeying = rekeyBackup({ storage: each, file }, AUTHOR, await entryOf(storage, id), options({ keys: own.keys, to: other, newKey }));
    // Before anything is written, where the payload is not looked into.
    await expectThrown("OBJECT_CORRUPT", () => rekeying, newKey ? /payload was changed/ : /SHA-256 of its stored bytes/);
    expect(await keysOf(storage)).toEqual(before);
  }
});

test("rekey: what the store does not hold as it was sent is not published", async () => {
  const { storage, file } = await newRepository();
  const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
  const before = await keysOf(storage);
  for (const newKey of [false, true]) {
    const lying = wrapped(storage, {
      put: async (key, body, put) => {
        const bytes = await collect(body, 1e9, () => new Error());
        const changed = key.endsWith(".age") ? bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1) : bytes;
        return storage.put(
          key,
          (async function* () {
            yield changed;
          })(),
          put,
        );
      },
    });
    const rekeying = rekeyBackup({ storage: lying, file }, AUTHOR, await entryOf(storage, id), options({ keys: own.keys, to: other, newKey }));
    await expect(rekeying).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(await keysOf(storage)).toEqual(before);
  }
});

test("rekey: a backup that is known to be damaged is refused; with all the others, it is one that failed", async () => {
  const { storage, file } = await newRepository();
  const bad = await storeBackup({ storage, file }, someSnapshot(), { encryption: own, suffix: "aaaaaa" });
  const good = await storeBackup({ storage, file }, someSnapshot(), { encryption: own, suffix: "bbbbbb", second: "01" });
  await put(storage, snapshotKey(bad), Buffer.from("short"));
  await expectThrown(
    "SNAPSHOT_DAMAGED",
    async () => rekeyBackup({ storage, file }, AUTHOR, await entryOf(storage, bad), options({ keys: own.keys, to: other })),
    /is damaged/,
  );
  const results = await rekeyAll({ storage, file }, CLUSTER, AUTHOR, options({ keys: own.keys, to: other }));
  expect(results).toMatchObject([
    { backup: bad, outcome: "failed", newId: null, failure: { code: "SNAPSHOT_DAMAGED" } },
    { backup: good, outcome: "rekeyed", failure: null },
  ]);
});

test("rekey: of all, one is done again where what it became is damaged, and nothing where a good one is there", async () => {
  const { storage, file } = await newRepository();
  const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
  const all = () => rekeyAll({ storage, file }, CLUSTER, AUTHOR, options({ keys: own.keys, to: other }));
  const [first] = await all();
  expect((await all()).map(({ outcome }) => outcome)).toEqual(["already", "already"]);
  await put(storage, snapshotKey(first!.newId!), Buffer.from("short"));
  const again = await all();
  expect(again).toMatchObject([
    { backup: id, outcome: "rekeyed" },
    { backup: first!.newId, outcome: "failed", failure: { code: "SNAPSHOT_DAMAGED" } },
  ]);
  expect(again[0]!.newId).not.toBe(first!.newId);
  expect((await all()).find(({ backup }) => backup === id)).toMatchObject({ outcome: "already", newId: again[0]!.newId });
});

test("rekey: of all, what stands for a backup that is pinned is pinned too", async () => {
  const { storage, file } = await newRepository();
  const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
  const third = await newAgeKeys();
  const all = (to: AgeKeyPair) =>
    rekeyAll(
      { storage, file },
      CLUSTER,
      AUTHOR,
      options({ keys: { identities: [...own.keys.identities, ...other.keys.identities], passphrase: undefined }, to }),
    );
  const [first] = await all(other);
  await writePin(storage, CLUSTER, AUTHOR, { backup: id, reason: "before 3.7", pinnedAt: "2026-11-22T10:00:00.000Z" }, { signal });
  const results = await all(third);
  const { newId } = results.find(({ backup }) => backup === first!.newId)!;
  expect(results).toContainEqual(expect.objectContaining({ backup: id, outcome: "already", newId }));
  const pins = await readPins(storage, CLUSTER, { signal });
  expect(new Map([...pins].map(([backup, { reason }]) => [backup, reason]))).toEqual(
    new Map([
      [id, "before 3.7"],
      [newId!, "before 3.7"],
    ]),
  );
  // A pin that cannot be written is no success.
  await storage.remove(pinKey(CLUSTER, newId!), { signal });
  const denied = wrapped(storage, {
    put: async (key, body, put) => {
      if (key.includes("/pins/")) throw new EtcdsafeError("STORAGE_DENIED", "denied");
      return storage.put(key, body, put);
    },
  });
  const keys = { identities: own.keys.identities, passphrase: undefined };
  const again = await rekeyAll({ storage: denied, file }, CLUSTER, AUTHOR, options({ keys, to: third }));
  expect(again.find(({ backup }) => backup === id)).toMatchObject({ outcome: "failed", failure: { code: "STORAGE_DENIED" } });
});

test("rekey: what was encrypted keeps its key, unless there was none or a new one is made", async () => {
  const { storage, file } = await newRepository();
  await storeBackup({ storage, file }, someSnapshot(), { encryption: own, suffix: "aaaaaa" });
  await storeBackup({ storage, file }, someSnapshot(), { suffix: "bbbbbb", second: "01" });
  const kept = async (newKey: boolean) =>
    (await rekeyAll({ storage, file }, CLUSTER, AUTHOR, options({ keys: own.keys, to: other, newKey }))).slice(0, 2).map(({ keepsKey }) => keepsKey);
  expect(await kept(false)).toEqual([true, false]);
  const second = await newRepository();
  await storeBackup(second, someSnapshot(), { encryption: own });
  expect(await rekeyAll(second, CLUSTER, AUTHOR, options({ keys: own.keys, to: other, newKey: true }))).toMatchObject([{ keepsKey: false }]);
});

test("rekey: of all, with a new key, none is done that has a payload of somebody else's, in whatever order it was rekeyed; and all are, the second time", async () => {
  const everybody = { identities: [...own.keys.identities, ...other.keys.identities], passphrase: undefined };
  for (const steps of [
    [{ to: other, newKey: false }],
    [
      { to: other, newKey: false },
      { to: own, newKey: true },
    ],
    [
      { to: other, newKey: true },
      { to: own, newKey: false },
    ],
    [{ to: own, newKey: false }],
    [],
  ]) {
    const repository = await newRepository();
    await storeBackup(repository, someSnapshot(), { encryption: own });
    const all = (to: AgeKeyPair, newKey: boolean) => rekeyAll(repository, CLUSTER, AUTHOR, options({ keys: everybody, to, newKey }));
    for (const { to, newKey } of steps) await all(to, newKey);
    const before = await payloads(repository.storage);
    const done = await all(other, true);
    const after = await payloads(repository.storage);
    expect(done.length, JSON.stringify(steps)).toBe(before.size);
    for (const { newId } of done) expect([...after].filter(([id, payload]) => id === newId || payload === after.get(newId!))).toHaveLength(1);
    const ids = done.map(({ newId }) => newId);
    expect((await all(other, true)).every(({ outcome, newId }) => outcome === "already" && ids.includes(newId))).toBe(true);
    expect(await payloads(repository.storage)).toEqual(after);
  }
});

test("rekey: of all, with a new key, one is not done whose payload another has whose manifest cannot be read", async () => {
  const repository = await newRepository();
  const entry = async (id: string) => entryOf(repository.storage, id);
  const id = await storeBackup(repository, someSnapshot(), { encryption: own });
  const made = await rekeyBackup(repository, AUTHOR, await entry(id), options({ keys: own.keys, to: other, newKey: true }));
  const given = await rekeyBackup(repository, AUTHOR, await entry(made.id), options({ keys: other.keys, to: own }));
  await put(repository.storage, manifestKey(CLUSTER, given.id), Buffer.from("{}"));
  const all = () => rekeyAll(repository, CLUSTER, AUTHOR, options({ keys: other.keys, to: other, newKey: true }));
  const newId = expect.not.stringMatching(`${id}|${made.id}|${given.id}`);
  const unreadable = { backup: given.id, outcome: "failed", failure: { code: "MANIFEST_INVALID" } };
  expect(await all()).toMatchObject([{ backup: id, outcome: "already", newId }, { backup: made.id, outcome: "rekeyed", newId }, unreadable]);
  const again = await all();
  expect(again).toHaveLength(4);
  expect(again.map(({ outcome }) => outcome).toSorted()).toEqual(["already", "already", "already", "failed"]);
});

test("rekey: of several with one content the newest is stored again and does for the others, so that each change of keys adds one", async () => {
  const everybody = { identities: [...own.keys.identities, ...other.keys.identities], passphrase: undefined };
  for (const newKey of [false, true]) {
    const repository = await newRepository();
    await storeBackup(repository, someSnapshot(), { encryption: own });
    await storeBackup(repository, someSnapshot(9), { suffix: "bbbbbb" });
    for (const to of [other, own, other]) {
      const before = await listBackups(repository, CLUSTER, { signal });
      const results = await rekeyAll(repository, CLUSTER, AUTHOR, options({ keys: everybody, to, newKey }));
      expect(results.map(({ backup }) => backup)).toEqual(before.map(({ id }) => id).toReversed());
      const stored = results.filter(({ outcome }) => outcome === "rekeyed").map(({ newId }) => newId);
      expect(stored).toHaveLength(2);
      expect(results.every(({ newId }) => stored.includes(newId))).toBe(true);
      const after = await listBackups(repository, CLUSTER, { signal });
      expect(after).toHaveLength(before.length + 2);
      expect(stored).toEqual(expect.arrayContaining(after.slice(0, 2).map(({ id }) => id)));
      // What was stored again is the newest of its content, which `latest` and `copy` take.
      const madeOf = results.filter(({ outcome }) => outcome === "rekeyed").map(({ backup }) => backup);
      expect(new Set(madeOf)).toEqual(new Set(before.slice(0, 2).map(({ id }) => id)));
      const again = await rekeyAll(repository, CLUSTER, AUTHOR, options({ keys: everybody, to, newKey }));
      expect(again.every(({ outcome, newId }) => outcome === "already" && stored.includes(newId))).toBe(true);
      expect(await listBackups(repository, CLUSTER, { signal })).toHaveLength(after.length);
    }
  }
});

test("rekey: where the newest of one content cannot be stored again, the next is; the first is then done too, unless it was found to be bad", async () => {
  const third = await newAgeKeys();
  for (const isBad of [false, true]) {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot(), { encryption: own });
    const keys = { identities: [...own.keys.identities, ...(isBad ? third.keys.identities : [])], passphrase: undefined };
    const { id: newer } = await rekeyBackup(repository, AUTHOR, await entryOf(repository.storage, id), options({ keys: own.keys, to: third, newKey: true }));
    const bytes = repository.storage.bytesOf(snapshotKey(newer))!;
    if (isBad) await put(repository.storage, snapshotKey(newer), bytes.with(bytes.length - 100, bytes.at(-100)! ^ 1));
    const all = () => rekeyAll(repository, CLUSTER, AUTHOR, options({ keys, to: other }));
    const [done, first] = await all();
    expect(done).toMatchObject({ backup: id, outcome: "rekeyed" });
    expect(first).toMatchObject(
      isBad
        ? { backup: newer, outcome: "failed", newId: null, failure: { code: "OBJECT_CORRUPT" } }
        : { backup: newer, outcome: "already", newId: done!.newId, failure: null },
    );
    expect(await all()).toMatchObject([id, newer, done!.newId].map((backup) => ({ backup, outcome: "already", newId: done!.newId })));
  }
});

test("rekey: what is trusted less does not do for what is trusted more, and the other way round it does", async () => {
  const mine = newSigningKey();
  const prepared = async () => {
    const repository = await newRepository();
    const id = await storeBackup(repository, someSnapshot(), { encryption: own });
    await sign(repository.storage, id, mine);
    const unsigned = options({ keys: own.keys, to: own, newKey: true, resigning: { ...RESIGNING, allowUnsigned: true } });
    const { id: newer } = await rekeyBackup(repository, AUTHOR, await entryOf(repository.storage, id), unsigned);
    const all = (resigning: Partial<Resigning>) =>
      rekeyAll(repository, CLUSTER, AUTHOR, options({ keys: own.keys, to: other, resigning: { ...RESIGNING, ...resigning } }));
    return { id, newer, all };
  };
  const { id, newer, all } = await prepared();
  const [failed, stored] = await all({});
  expect([failed, stored]).toMatchObject([
    { backup: id, outcome: "failed", failure: { code: "SIGNATURE_REQUIRED" } },
    { backup: newer, outcome: "rekeyed" },
  ]);
  const signing = await prepared();
  const [signed, done] = await signing.all({ signing: mine });
  expect([signed, done]).toMatchObject([
    { backup: signing.id, outcome: "rekeyed" },
    { backup: signing.newer, outcome: "already", newId: signed!.newId },
  ]);
});

test("rekey: with a passphrase, of which nobody knows whether it is the same, one of each content is stored each time", async () => {
  const repository = await newRepository();
  const id = await storeBackup(repository, someSnapshot(), { encryption: own });
  await rekeyBackup(repository, AUTHOR, await entryOf(repository.storage, id), options({ keys: own.keys, to: own }));
  const keys = { ...own.keys, passphrase: PASSPHRASE.passphrase };
  for (const length of [3, 4]) {
    await rekeyAll(repository, CLUSTER, AUTHOR, options({ keys, to: PASSPHRASE }));
    expect(await listBackups(repository, CLUSTER, { signal })).toHaveLength(length);
  }
});

test("rekey: one that a clock ahead made the newest is not stored again each time", async () => {
  const repository = await newRepository();
  const ahead = (manifest: Manifest): Manifest => ({ ...manifest, publishedAt: "2099-01-01T00:00:00.000Z" });
  const id = await storeBackup(repository, someSnapshot(), { encryption: own, change: ahead });
  const all = () => rekeyAll(repository, CLUSTER, AUTHOR, options({ keys: own.keys, to: other, newKey: true }));
  const [done] = await all();
  expect((await all()).map(({ backup, outcome, newId }) => [backup, outcome, newId])).toEqual([
    [done!.newId, "already", done!.newId],
    [id, "already", done!.newId],
  ]);
});

test("rekey: a signature is not lost without a word, and none is given to what nobody trusted has signed", async () => {
  const [mine, stranger] = [newSigningKey(), newSigningKey()];
  const cases: [string, SigningKey | undefined, Partial<Resigning>, "SIGNATURE_REQUIRED" | "MANIFEST_UNTRUSTED" | undefined][] = [
    ["unsigned", undefined, {}, undefined],
    ["signed, without a key", mine, {}, "SIGNATURE_REQUIRED"],
    ["signed, typed", mine, { allowUnsigned: true }, undefined],
    ["signed with the same key", mine, { signing: mine }, undefined],
    ["signed by a stranger", stranger, { signing: mine }, "MANIFEST_UNTRUSTED"],
    ["signed by somebody who is trusted", stranger, { signing: mine, isProven: true }, undefined],
    ["not signed", undefined, { signing: mine }, "MANIFEST_UNTRUSTED"],
    ["not signed, typed", undefined, { signing: mine, allowUnproven: true }, undefined],
  ];
  for (const [name, signer, resigning, code] of cases) {
    const { storage, file } = await newRepository();
    const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
    if (signer !== undefined) await sign(storage, id, signer);
    const [entry, before] = [await entryOf(storage, id), await keysOf(storage)];
    const rekeying = () => rekeyBackup({ storage, file }, AUTHOR, entry, options({ keys: own.keys, to: other, resigning: { ...RESIGNING, ...resigning } }));
    if (code === undefined) {
      const { id: newId } = await rekeying();
      const trusting = { storage: onlySigned(storage, [mine.publicKey]), file };
      const believed = (await listBackups(trusting, CLUSTER, { signal })).find((each) => each.id === newId)?.manifest;
      expect(believed?.id, name).toBe(resigning.signing && newId);
    } else {
      await expectThrown(
        code,
        rekeying,
        code === "SIGNATURE_REQUIRED" ? /is signed, and what is made of it would not be/ : /nobody who is trusted has vouched/,
      );
      expect(await keysOf(storage), name).toEqual(before);
    }
  }
});

test("rekey: of all, none counts as done for what somebody else has put there in its place", async () => {
  const mine = newSigningKey();
  for (const [name, forge] of [
    ["of other content", someSnapshot(9)],
    ["of the same content", someSnapshot()],
  ] as const) {
    const { storage, file } = await newRepository();
    const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
    await sign(storage, id, mine);
    const asRekeyed = (manifest: Manifest): Manifest => ({ ...manifest, origin: { kind: "rekeyed", base: id } });
    const forged = await storeBackup({ storage, file }, forge, { encryption: other, suffix: "bbbbbb", change: asRekeyed });
    const all = async (resigning: Partial<Resigning>) => {
      const results = await rekeyAll({ storage, file }, CLUSTER, AUTHOR, options({ keys: own.keys, to: other, resigning: { ...RESIGNING, ...resigning } }));
      return results.find(({ backup }) => backup === id)!;
    };
    expect(await all({}), name).toMatchObject({ outcome: "failed", failure: { code: "SIGNATURE_REQUIRED" } });
    const done = await all({ signing: mine });
    expect(done, name).toMatchObject({ outcome: "rekeyed" });
    for (const resigning of [{ signing: mine }, {}]) expect(await all(resigning), name).toMatchObject({ outcome: "already", newId: done.newId });
    expect(done.newId).not.toBe(forged);
    const asAsked = await all({ allowUnsigned: true });
    expect(asAsked.outcome, name).toBe("already");
    if (name === "of other content") expect(asAsked.newId).toBe(done.newId);
  }
});

test("rekey: a manifest that was exchanged for a signed one since it was listed is not signed for", async () => {
  const mine = newSigningKey();
  const { storage, file } = await newRepository();
  const id = await storeBackup({ storage, file }, someSnapshot(), { encryption: own });
  const entry = await entryOf(storage, id);
  await sign(storage, id, mine);
  const forged = { ...entry, manifest: { ...entry.manifest, stateWhy: "somebody says so" } };
  const rekeying = () => rekeyBackup({ storage, file }, AUTHOR, forged, options({ keys: own.keys, to: other, resigning: { ...RESIGNING, signing: mine } }));
  await expectThrown("MANIFEST_UNTRUSTED", rekeying, /nobody who is trusted has vouched/);
});

async function sign(storage: MemoryStorage, id: string, signer: SigningKey): Promise<void> {
  const key = manifestKey(CLUSTER, id);
  await put(storage, signatureKey(key), encodeSignature(key, storage.bytesOf(key)!, signer));
}

/** The same, with copies by the store; bytes of its objects that are put any other way are a fault of the test. */
function composed(inner: MemoryStorage): Storage {
  return wrapped(inner, {
    put: async (key, body, put) => {
      if (key.endsWith(".age")) throw new EtcdsafeError("INTERNAL", "the store was to copy this");
      return inner.put(key, body, put);
    },
    composed: {
      put: (key, pieces, put) =>
        inner.put(
          key,
          (async function* () {
            for (const piece of pieces) {
              if ("bytes" in piece) yield piece.bytes;
              else yield* inner.read(piece.key, { signal, range: piece });
            }
          })(),
          put,
        ),
    },
  });
}

async function entryOf(storage: MemoryStorage, id: string): Promise<BackupEntry> {
  const repository = { storage, file: (await newRepository()).file };
  return (await listBackups(repository, CLUSTER, { signal })).find((entry) => entry.id === id) as BackupEntry;
}

async function opened(storage: MemoryStorage, id: string, keys: AgeKeys): Promise<Uint8Array> {
  const { manifest } = await entryOf(storage, id);
  return collect(decodeObject(storage, snapshotKey(id), snapshotObject(manifest), { signal, keys }), 1e9, () => new Error());
}

/** What follows the header, by backup. */
async function payloads(storage: MemoryStorage): Promise<Map<string, string>> {
  const keys = (await keysOf(storage)).filter((key) => key.endsWith(".age"));
  const payloadOf = (key: string) =>
    Buffer.from(storage.bytesOf(key)!)
      .toString("latin1")
      .replace(/^.*?\n--- .{43}\n/s, "");
  return new Map(keys.map((key) => [key.split("/").at(-2)!, payloadOf(key)]));
}

async function keysOf(storage: MemoryStorage): Promise<string[]> {
  return (await Array.fromAsync(storage.list("", { signal }))).map(({ key }) => key);
}

async function uploads(storage: MemoryStorage): Promise<string[]> {
  return (await keysOf(storage)).filter((key) => key.includes("/uploads/"));
}
