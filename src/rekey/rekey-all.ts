// Rekeys every backup of a cluster that is not yet as it shall be, so that running it again goes on where it stopped.
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError } from "../errors.ts";
import { type BackupEntry, type CatalogueEntry, listBackups } from "../repository/catalogue.ts";
import { contentOf, type Manifest } from "../repository/manifest.ts";
import { encryptionFacts } from "../repository/object-encoder.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { isTrustedAlike } from "../repository/resigning.ts";
import { hasOwnKey } from "./own-key.ts";
import { type RekeyOptions, rekeyBackup } from "./rekey.ts";

export interface Rekeyed {
  readonly backup: string;
  /** `already`: it, or one that it was rekeyed to before, is encrypted to exactly these; with a new key, under one that nobody else was ever given. */
  readonly outcome: "rekeyed" | "already" | "failed";
  /** The new backup. */
  readonly newId: string | null;
  /** Whether who has opened an old one may have kept what opens the new one. */
  readonly keepsKey: boolean;
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/** Oldest first. Goes on after every one that fails; throws only when aborted. */
export async function rekeyAll(repository: Repository, cluster: string, author: Author, options: RekeyOptions): Promise<Rekeyed[]> {
  const entries = (await listBackups(repository, cluster, options)).reverse();
  const good = entries.flatMap((entry) => (entry.manifest === null || entry.state === "damaged" ? [] : [entry.manifest]));
  const results: Rekeyed[] = [];
  for (const entry of entries) {
    const { id: backup } = entry;
    const done = entry.manifest === null ? undefined : await rekeyedAlready(repository, entry.manifest, { entries, good }, options);
    if (done !== undefined) results.push({ backup, outcome: "already", newId: done, keepsKey: false, failure: null });
    else results.push(await tried(repository, author, entry, options));
  }
  return results;
}

/** Throws as rekeyBackup. */
export async function rekeyOne(repository: Repository, author: Author, entry: BackupEntry, options: RekeyOptions): Promise<Rekeyed> {
  const { id } = await rekeyBackup(repository, author, entry, options);
  const keepsKey = !options.newKey && entry.manifest.objects.some(({ encryption }) => encryption !== null);
  return { backup: entry.id, outcome: "rekeyed", newId: id, keepsKey, failure: null };
}

async function tried(repository: Repository, author: Author, entry: CatalogueEntry, options: RekeyOptions): Promise<Rekeyed> {
  try {
    if (entry.manifest === null) throw entry.error;
    return await rekeyOne(repository, author, entry as BackupEntry, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
    const { code, message, hint } = error;
    return { backup: entry.id, outcome: "failed", newId: null, keepsKey: false, failure: { code, message, hint } };
  }
}

interface Known {
  readonly entries: readonly CatalogueEntry[];
  /** Manifests of those that are whole. */
  readonly good: readonly Manifest[];
}

/** The good backup that is as it shall be: this one, or what it was rekeyed to. A passphrase may be another one each time, so of those none is. */
async function rekeyedAlready(
  { storage }: Repository,
  manifest: Manifest,
  { entries, good }: Known,
  { to, newKey, resigning, signal }: RekeyOptions,
): Promise<string | undefined> {
  if ("passphrase" in to) return undefined;
  const wanted = sorted(encryptionFacts(to).recipients);
  const isWanted = async (each: Manifest) =>
    each.objects.every(({ encryption }) => isDeepStrictEqual(sorted(encryption?.recipients ?? []), wanted)) &&
    (!newKey || (await hasOwnKey(storage, each, entries, { signal })));
  if (good.includes(manifest) && (await isWanted(manifest))) return manifest.id;
  const isMadeOfIt = (each: Manifest) => each.origin.kind === "rekeyed" && each.origin.base === manifest.id && contentOf(each) === contentOf(manifest);
  for (const each of good)
    if (isMadeOfIt(each) && (await isTrustedAlike(storage, manifest, each, resigning, { signal })) && (await isWanted(each))) return each.id;
  return undefined;
}

function sorted(texts: readonly string[]): string[] {
  return texts.toSorted();
}
