// What is told apart as having a key of its own: from the bytes that are stored, and from manifests only what bytes cannot tell.
import { beforeAll, expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { hasOwnKey } from "../../src/rekey/own-key.ts";
import { rekeyBackup } from "../../src/rekey/rekey.ts";
import { type BackupEntry, type CatalogueEntry, listBackups } from "../../src/repository/catalogue.ts";
import type { Manifest } from "../../src/repository/manifest.ts";
import { manifestKey } from "../../src/repository/names.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { type AgeKeyPair, newAgeKeys } from "../support/age-keys.ts";
import { AUTHOR, CLUSTER, newRepository, put, type StoredRepository, signal, someSnapshot, storeBackup } from "../verify/stored-backup.ts";
import { encryptedSnapshotKey, rekeyOptions } from "./rekeying.ts";

let own: AgeKeyPair;
let other: AgeKeyPair;

beforeAll(async () => {
  [own, other] = [await newAgeKeys(), await newAgeKeys()];
});

test("own key: made with a new key, it has one; as it was saved, or with a new header, or by who did not say, it has none", async () => {
  const repository = await newRepository();
  const saved = await storeBackup(repository, someSnapshot(), { encryption: own });
  const headed = await rekeyed(repository, saved, { newKey: false });
  const made = await rekeyed(repository, saved, { newKey: true });
  expect([headed, made].map(({ origin }) => origin)).toEqual([
    { kind: "rekeyed", base: saved, keepsKey: true },
    { kind: "rekeyed", base: saved, keepsKey: false },
  ]);
  const entries = await catalogue(repository);
  for (const [name, manifest, expected] of [
    ["saved", entryOf(entries, saved).manifest, false],
    ["a new header", headed, false],
    ["a new key", made, true],
    ["nobody said", { ...made, origin: { kind: "rekeyed", base: saved } }, false],
    ["a manifest that lies", { ...headed, origin: made.origin }, false],
  ] as const)
    expect(await hasOwnKey(repository.storage, manifest, entries, { signal }), name).toBe(expected);
});

test("own key: what was not encrypted got one", async () => {
  const repository = await newRepository();
  const plain = await storeBackup(repository, someSnapshot());
  const made = await rekeyed(repository, plain, { newKey: false });
  expect(made.origin).toMatchObject({ keepsKey: false });
  expect(await hasOwnKey(repository.storage, made, await catalogue(repository), { signal })).toBe(true);
});

test("own key: no longer, once its payload stands behind a header for others, be that damaged, forged or not to be read", async () => {
  const repository = await newRepository();
  const saved = await storeBackup(repository, someSnapshot(), { encryption: own });
  const made = await rekeyed(repository, saved, { newKey: true });
  const given = await rekeyed(repository, made.id, { newKey: false, back: true });
  const ofIt = async () => hasOwnKey(repository.storage, made, await catalogue(repository), { signal });
  expect(await ofIt()).toBe(false);
  const key = manifestKey(CLUSTER, given.id);
  const whole = Buffer.from(repository.storage.bytesOf(key)!).toString();
  for (const [name, text] of [
    ["its manifest is junk", "{}"],
    ["its manifest lies", whole.replace('"keepsKey": true', '"keepsKey": false')],
    ["it is damaged", whole.replace(/"storedSizeBytes": \d+/, '"storedSizeBytes": 1')],
  ] as const) {
    expect(text, name).not.toBe(whole);
    await put(repository.storage, key, Buffer.from(text));
    expect(await ofIt(), name).toBe(false);
  }
});

test("own key: where the object of another cannot be read, its manifest tells; where neither can, an object that is not there is none", async () => {
  const repository = await newRepository();
  const saved = await storeBackup(repository, someSnapshot(), { encryption: own });
  const made = await rekeyed(repository, saved, { newKey: true });
  const given = await rekeyed(repository, made.id, { newKey: false, back: true });
  const again = await rekeyed(repository, made.id, { newKey: true });
  const ofIt = async (left: string) => {
    const entries = (await catalogue(repository)).filter(({ id }) => id === left);
    return hasOwnKey(repository.storage, made, entries, { signal });
  };
  const outcomes = () => Promise.all([saved, given.id, again.id].map(ofIt));
  expect(await outcomes()).toEqual([true, false, true]);
  for (const id of [saved, given.id, again.id]) await put(repository.storage, encryptedSnapshotKey(id), Buffer.from("short"));
  expect(await outcomes()).toEqual([true, false, true]);
  for (const id of [saved, given.id, again.id]) await put(repository.storage, manifestKey(CLUSTER, id), Buffer.from("{}"));
  expect(await outcomes()).toEqual([false, false, false]);
  for (const id of [saved, given.id, again.id]) await repository.storage.remove(encryptedSnapshotKey(id), { signal });
  expect(await outcomes()).toEqual([true, true, true]);
});

test("own key: with those it was made of gone it keeps it, and without its own object it has none that could be told", async () => {
  const repository = await newRepository();
  const saved = await storeBackup(repository, someSnapshot(), { encryption: own });
  const made = await rekeyed(repository, saved, { newKey: true });
  const headed = await rekeyed(repository, saved, { newKey: false });
  expect(await hasOwnKey(repository.storage, made, [], { signal })).toBe(true);
  expect(await hasOwnKey(repository.storage, headed, [], { signal })).toBe(false);
  await repository.storage.remove(encryptedSnapshotKey(made.id), { signal });
  expect(await hasOwnKey(repository.storage, made, [], { signal })).toBe(false);
});

test("own key: a bundle's counts as the snapshot's does", async () => {
  const repository = await newRepository();
  const saved = await storeBackup(repository, someSnapshot(), { encryption: own });
  const made = await rekeyed(repository, saved, { newKey: true });
  const withBundle = (manifest: Manifest): Manifest => ({
    ...manifest,
    objects: [...manifest.objects, { ...manifest.objects[0]!, role: "bundle", name: "bundle.tar.zst.age" }],
  });
  const entry = entryOf(await catalogue(repository), saved);
  const entries = [{ ...entry, manifest: withBundle(entry.manifest) }];
  const bundleKey = (id: string) => encryptedSnapshotKey(id).replace("snapshot.db", "bundle.tar");
  const bytesOf = (id: string) => repository.storage.bytesOf(encryptedSnapshotKey(id))!;
  await put(repository.storage, bundleKey(saved), bytesOf(made.id));
  for (const [bundle, expected] of [
    [bytesOf(saved), true],
    [bytesOf(made.id), false],
  ] as const) {
    await put(repository.storage, bundleKey(made.id), bundle);
    expect(await hasOwnKey(repository.storage, withBundle(made), entries, { signal })).toBe(expected);
  }
});

test("own key: heads are read, of one kibibyte unless a header is longer, and of no other snapshot's backups", async () => {
  const repository = await newRepository();
  const many = (await Promise.all(Array.from({ length: 12 }, newAgeKeys))).flatMap(({ recipients }) => recipients);
  const long = await storeBackup(repository, someSnapshot(), { encryption: { recipients: [...own.recipients, ...many] } });
  await storeBackup(repository, someSnapshot(), { encryption: own, suffix: "bbbbbb", second: "01" });
  const made = await rekeyed(repository, long, { newKey: true });
  const read: [string, number | undefined][] = [];
  const watched: Storage = wrapped(repository.storage, {
    read: (key, options) => {
      read.push([key.split("/").at(-2)!, options.range?.end]);
      return repository.storage.read(key, options);
    },
  });
  expect(await hasOwnKey(watched, made, await catalogue(repository), { signal })).toBe(true);
  expect(read).toEqual([
    [made.id, 1024],
    [long, 1024],
    [long, 65_552],
  ]);
});

test("own key: told by nobody once it is aborted", async () => {
  const repository = await newRepository();
  const made = await rekeyed(repository, await storeBackup(repository, someSnapshot(), { encryption: own }), { newKey: true });
  const aborted = AbortSignal.abort(new EtcdsafeError("STORAGE_UNREACHABLE", "enough"));
  await expect(hasOwnKey(repository.storage, made, [], { signal: aborted })).rejects.toThrow("enough");
});

/** To `other`, or `back` from there. */
async function rekeyed(repository: StoredRepository, id: string, { newKey, back = false }: { newKey: boolean; back?: boolean }): Promise<Manifest> {
  const keys = { identities: [...own.keys.identities, ...other.keys.identities], passphrase: undefined };
  const entry = entryOf(await catalogue(repository), id);
  return rekeyBackup(repository, AUTHOR, entry, rekeyOptions({ keys, to: back ? own : other, newKey }));
}

function catalogue(repository: StoredRepository): Promise<CatalogueEntry[]> {
  return listBackups(repository, CLUSTER, { signal });
}

function entryOf(entries: readonly CatalogueEntry[], id: string): BackupEntry {
  return entries.find((entry) => entry.id === id) as BackupEntry;
}
