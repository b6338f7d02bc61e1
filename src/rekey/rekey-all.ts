// Rekeys every backup of a cluster that is not yet as it shall be, so that running it again goes on where it stopped.
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError } from "../errors.ts";
import { type BackupEntry, listBackups } from "../repository/catalogue.ts";
import { type Manifest, snapshotObject } from "../repository/manifest.ts";
import { encryptionFacts } from "../repository/object-encoder.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { type RekeyOptions, rekeyBackup } from "./rekey.ts";

export interface Rekeyed {
  readonly backup: string;
  /** `already`: it, or one that it was rekeyed to before, is encrypted to exactly these. */
  readonly outcome: "rekeyed" | "already" | "failed";
  /** The new backup. */
  readonly newId: string | null;
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/** Oldest first. Goes on after every one that fails; throws only when aborted. */
export async function rekeyAll(repository: Repository, cluster: string, author: Author, options: RekeyOptions): Promise<Rekeyed[]> {
  const entries = (await listBackups(repository, cluster, options)).reverse();
  const manifests = entries.flatMap(({ manifest }) => manifest ?? []);
  const results: Rekeyed[] = [];
  for (const entry of entries) {
    const { id: backup } = entry;
    const done = entry.manifest === null ? undefined : rekeyedAlready(entry.manifest, manifests, options);
    if (done !== undefined) results.push({ backup, outcome: "already", newId: done, failure: null });
    else results.push(await tried(repository, author, entry, options));
  }
  return results;
}

async function tried(repository: Repository, author: Author, entry: Awaited<ReturnType<typeof listBackups>>[number], options: RekeyOptions): Promise<Rekeyed> {
  try {
    if (entry.manifest === null) throw entry.error;
    const { id } = await rekeyBackup(repository, author, entry as BackupEntry, options);
    return { backup: entry.id, outcome: "rekeyed", newId: id, failure: null };
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
    const { code, message, hint } = error;
    return { backup: entry.id, outcome: "failed", newId: null, failure: { code, message, hint } };
  }
}

/** The backup that is as it shall be: this one, or what it was rekeyed to. A passphrase may be another one each time, so of those none is. */
function rekeyedAlready(manifest: Manifest, all: readonly Manifest[], { to, newKey }: RekeyOptions): string | undefined {
  if ("passphrase" in to) return undefined;
  const wanted = sorted(encryptionFacts(to).recipients);
  const isWanted = (each: Manifest) => isDeepStrictEqual(sorted(snapshotObject(each).encryption?.recipients ?? []), wanted);
  // With a new key, one that has its own already is one that was made by this.
  if (isWanted(manifest) && (!newKey || manifest.origin.kind === "rekeyed")) return manifest.id;
  return all.find((each) => each.origin.kind === "rekeyed" && each.origin.base === manifest.id && isWanted(each))?.id;
}

function sorted(texts: readonly string[]): string[] {
  return texts.toSorted();
}
