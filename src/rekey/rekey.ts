// Stores a backup again, encrypted to others. By default only the header is new, which holds the same file key: the payload stays as it is, and where the
// store can, it is copied there and never comes here. The old backup is left for `prune`.
import type { AgeKeys } from "../age/identities.ts";
import type { AgeRecipients } from "../age/recipients.ts";
import { readerOf } from "../bytes/stream.ts";
import { EtcdsafeError, stoppedWith } from "../errors.ts";
import type { BackupEntry } from "../repository/catalogue.ts";
import type { Manifest, StoredObject } from "../repository/manifest.ts";
import { backupId, backupObjectKey, manifestKey, parseBackupId } from "../repository/names.ts";
import { checkStoredBytes, decodeObject } from "../repository/object-decoder.ts";
import { ENCRYPTED_SUFFIX } from "../repository/object-encoder.ts";
import { carryPin, removePin } from "../repository/pins.ts";
import { type BackupUpload, beginUpload, type Protection } from "../repository/publish.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { type Resigning, requireSameTrust } from "../repository/resigning.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { storeUnderNewHeader } from "./new-header.ts";

export interface RekeyOptions extends CallOptions {
  readonly runtime: Runtime;
  /** What opens the backup. */
  readonly keys: AgeKeys | undefined;
  readonly to: AgeRecipients;
  /** Encrypt the payload again too, with a file key that nobody has seen. */
  readonly newKey: boolean;
  readonly resigning: Resigning;
  readonly protection: Pick<Protection, "lock">;
}

/** How long the clean-up after a failure may take. */
const ABANDON_LIMIT_MS = 10_000;

/**
 * Gives the manifest of the new backup, which is read back before it is published. Throws SNAPSHOT_DAMAGED for a backup that is known to be damaged, what
 * requireSameTrust throws, and what reading it throws; then nothing is left.
 */
export async function rekeyBackup(repository: Repository, author: Author, { id, manifest, ...entry }: BackupEntry, options: RekeyOptions): Promise<Manifest> {
  const { storage } = repository;
  const { runtime, signal, to } = options;
  if (entry.state === "damaged")
    throw new EtcdsafeError("SNAPSHOT_DAMAGED", `${id} is damaged: ${entry.damage.join("; ")}`, { hint: "There is nothing to rekey." });
  await requireSameTrust(storage, manifest, options.resigning, { signal });
  const { cluster } = manifest;
  const isKept = ({ encryption }: StoredObject) => !options.newKey && encryption !== null;
  // It is as old as it was, for retention and for whoever restores `latest`.
  const newId = backupId(new Date(manifest.createdAt), parseBackupId(id)!.revision, runtime.randomBytes);
  const protection = { ...options.protection, signing: options.resigning.signing, encryption: to };
  const upload = await beginUpload(repository, author, { cluster, id: newId, action: "rekey" }, { runtime, signal, protection });
  try {
    const objects: StoredObject[] = [];
    for (const object of manifest.objects) {
      const source = { key: backupObjectKey(cluster, id, object.name), object };
      objects.push(await (isKept(object) ? storeUnderNewHeader : storeAnew)(storage, upload, source, { cluster, id: newId }, options));
    }
    const publishedAt = runtime.now().toISOString();
    const origin = { kind: "rekeyed" as const, base: id, keepsKey: manifest.objects.some(isKept) };
    const rekeyed: Manifest = { ...manifest, id: newId, tool: author.tool, publishedAt, origin, objects };
    // The pin first: what somebody wants to keep is at no time without it.
    await carryPin({ storage, backup: id }, { storage, backup: newId }, cluster, author, { signal, runtime });
    const { isFinished } = await upload.publish(rekeyed, { signal });
    if (!isFinished) throw stoppedWith(signal.reason, `${newId} is stored; \`etcdsafe verify ${newId}\` tells whether it is whole.`);
    return rekeyed;
  } catch (error) {
    await upload.abandon(ABANDON_LIMIT_MS);
    await forgetPin(storage, cluster, newId, { signal: AbortSignal.timeout(ABANDON_LIMIT_MS) });
    throw upload.reasonOf(error);
  }
}

/** Of a backup that never came to be; one whose manifest may have arrived keeps it. Never throws. */
async function forgetPin(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<void> {
  try {
    if ((await storage.stat(manifestKey(cluster, id), options)) === undefined) await removePin(storage, cluster, id, options);
  } catch {
    // `repo check` tells of it.
  }
}

/** An object of the backup that is stored again. */
export interface SourceObject {
  readonly key: string;
  readonly object: StoredObject;
}

/** Opened, unpacked, and encoded again under a file key of its own. */
async function storeAnew(
  storage: Storage,
  upload: BackupUpload,
  { key, object }: SourceObject,
  { cluster, id }: { readonly cluster: string; readonly id: string },
  { keys, signal }: RekeyOptions,
): Promise<StoredObject> {
  await using raw = readerOf(decodeObject(storage, key, object, { signal, keys }));
  const name = object.encryption === null ? object.name : object.name.slice(0, -ENCRYPTED_SUFFIX.length);
  const stored = await upload.put({ role: object.role, name }, raw, { signal });
  // Who rekeys to others cannot open it any more; that what was stored is what was encoded, its hash shows.
  await checkStoredBytes(storage, backupObjectKey(cluster, id, stored.name), stored, { signal });
  return stored;
}
