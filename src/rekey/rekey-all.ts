// Rekeys the backups of a cluster that are not yet as they shall be, so that running it again goes on where it stopped. Of several with one content, which
// rekeying makes, one is stored again, else each change of keys would double them.
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError, whyStopped } from "../errors.ts";
import { type BackupEntry, type CatalogueEntry, listBackups } from "../repository/catalogue.ts";
import { contentOf, type Manifest } from "../repository/manifest.ts";
import { encryptionFacts } from "../repository/object-encoder.ts";
import { carryPin } from "../repository/pins.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { isTrustedAlike } from "../repository/resigning.ts";
import { hasOwnKey } from "./own-key.ts";
import { type RekeyOptions, rekeyBackup } from "./rekey.ts";

export interface Rekeyed {
  readonly backup: string;
  /** `already`: it, or another with its content, is encrypted to exactly these; with a new key, under one that nobody else was ever given. */
  readonly outcome: "rekeyed" | "already" | "failed";
  /** The backup that is as it shall be. */
  readonly newId: string | null;
  /** Whether who has opened an old one may have kept what opens the new one. */
  readonly keepsKey: boolean;
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/** Failures that say nothing bad about a backup, only that it is not the one to store again. */
const UNFIT = new Set(["DECRYPTION_KEY_MISSING", "DECRYPTION_FAILED", "SIGNATURE_REQUIRED", "MANIFEST_UNTRUSTED"]);

/** Oldest first. Goes on after every one that fails; throws only when aborted. */
export async function rekeyAll(repository: Repository, cluster: string, author: Author, options: RekeyOptions): Promise<Rekeyed[]> {
  const entries = await listBackups(repository, cluster, options);
  const oldestFirst = entries.toReversed();
  const results = new Map<string, Rekeyed>();
  for (const together of Map.groupBy(oldestFirst, ({ id, manifest }) => (manifest === null ? id : contentOf(manifest))).values())
    for (const result of await rekeyContent(repository, author, { group: together.toReversed(), entries }, options)) results.set(result.backup, result);
  return oldestFirst.map(({ id }) => results.get(id)!);
}

/** Throws as rekeyBackup. */
export async function rekeyOne(repository: Repository, author: Author, entry: BackupEntry, options: RekeyOptions): Promise<Rekeyed> {
  return rekeyedTo(entry, await rekeyBackup(repository, author, entry, options), options);
}

function rekeyedTo({ id, manifest }: BackupEntry, made: Manifest, { newKey }: RekeyOptions): Rekeyed {
  const keepsKey = !newKey && manifest.objects.some(({ encryption }) => encryption !== null);
  return { backup: id, outcome: "rekeyed", newId: made.id, keepsKey, failure: null };
}

interface Known {
  /** Backups of one content, newest first. */
  readonly group: readonly CatalogueEntry[];
  /** All. */
  readonly entries: readonly CatalogueEntry[];
}

/** The newest comes first: whoever rekeyed it had a reason. The first that is as it shall be, or becomes so, does for the others, unless they are trusted more. */
async function rekeyContent(repository: Repository, author: Author, known: Known, options: RekeyOptions): Promise<Rekeyed[]> {
  const { storage } = repository;
  let done: Manifest | undefined;
  const doneFor = async ({ manifest }: CatalogueEntry) =>
    done !== undefined && manifest !== null && (await isTrustedAlike(storage, manifest, done, options.resigning, options)) ? done : undefined;
  const results: [CatalogueEntry, Rekeyed][] = [];
  for (const entry of known.group) {
    const found = (await doneFor(entry)) ?? (await rekeyedAlready(repository, entry, known, options));
    const again = async () => {
      if (entry.manifest === null) throw entry.error;
      const made = await rekeyBackup(repository, author, entry, options);
      done = made;
      return rekeyedTo(entry, made, options);
    };
    const result = await tried(entry, found === undefined ? again : () => alreadyDone(repository, author, entry, found, options), options);
    done = found ?? done;
    results.push([entry, result]);
  }
  const afterwards = async (entry: CatalogueEntry, result: Rekeyed) => {
    const found = UNFIT.has(result.failure?.code ?? "") ? await doneFor(entry) : undefined;
    return found === undefined ? result : tried(entry, () => alreadyDone(repository, author, entry, found, options), options);
  };
  return Promise.all(results.map(([entry, result]) => afterwards(entry, result)));
}

/** What stands for it is kept as long as it would be. */
async function alreadyDone(
  { storage }: Repository,
  author: Author,
  { id }: CatalogueEntry,
  { id: newId, cluster }: Manifest,
  options: RekeyOptions,
): Promise<Rekeyed> {
  if (newId !== id) await carryPin({ storage, backup: id }, { storage, backup: newId }, cluster, author, options);
  return { backup: id, outcome: "already", newId, keepsKey: false, failure: null };
}

async function tried({ id }: CatalogueEntry, step: () => Promise<Rekeyed>, { signal }: RekeyOptions): Promise<Rekeyed> {
  try {
    return await step();
  } catch (error) {
    if (signal.aborted) throw whyStopped(error, signal);
    if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
    const { code, message, hint } = error;
    return { backup: id, outcome: "failed", newId: null, keepsKey: false, failure: { code, message, hint } };
  }
}

/** The good backup that is as it shall be: this one, or what it was rekeyed to. A passphrase may be another one each time, so of those none is. */
async function rekeyedAlready(
  { storage }: Repository,
  { id, manifest }: CatalogueEntry,
  { group, entries }: Known,
  { to, newKey, resigning, signal }: RekeyOptions,
): Promise<Manifest | undefined> {
  if ("passphrase" in to || manifest === null) return undefined;
  const wanted = sorted(encryptionFacts(to).recipients);
  const isWanted = async (each: Manifest) =>
    each.objects.every(({ encryption }) => isDeepStrictEqual(sorted(encryption?.recipients ?? []), wanted)) &&
    (!newKey || (await hasOwnKey(storage, each, entries, { signal })));
  const good = group.flatMap((entry) => (entry.manifest === null || entry.state === "damaged" ? [] : [entry.manifest]));
  if (good.includes(manifest) && (await isWanted(manifest))) return manifest;
  for (const each of good) {
    if (each.origin.kind !== "rekeyed" || each.origin.base !== id) continue;
    if ((await isTrustedAlike(storage, manifest, each, resigning, { signal })) && (await isWanted(each))) return each;
  }
  return undefined;
}

function sorted(texts: readonly string[]): string[] {
  return texts.toSorted();
}
