// One backup from one repository to another, published there once it was read back. Its manifest, and with it its signature, go as they are, unless the
// objects are encrypted to others on the way: then they are opened, encrypted with keys of their own, and the manifest says so.
import { createHash } from "node:crypto";
import type { AgeKeys } from "../age/identities.ts";
import type { AgeRecipients } from "../age/recipients.ts";
import { type ByteStream, collect, counted, readerOf, streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode, stoppedWith } from "../errors.ts";
import { DOCUMENT_SIZE_BYTES_MAX } from "../repository/document.ts";
import { contentOf, type Manifest, readStoredManifest, type StoredObject } from "../repository/manifest.ts";
import { backupObjectKey, manifestKey, pinKey } from "../repository/names.ts";
import { checkStoredBytes, decodeObject } from "../repository/object-decoder.ts";
import { ENCRYPTED_SUFFIX } from "../repository/object-encoder.ts";
import { type BackupUpload, beginUpload, type Protection, type StoredManifest } from "../repository/publish.ts";
import { publishedDamage } from "../repository/published-damage.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { writeVerification } from "../repository/sidecars.ts";
import { signatureKey } from "../repository/signature.ts";
import type { Runtime } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import { abandonedMarker, leftBehind, type ResumeOptions } from "./resume.ts";

export interface CopyOptions extends ResumeOptions {
  readonly runtime: Runtime;
  readonly author: Author;
  /** What opens backups of the source; needed where encrypted ones are to be encrypted to others. */
  readonly keys: AgeKeys | undefined;
  /** `signing` is for manifests that are made anew. */
  readonly protection: Omit<Protection, "encryption">;
}

export interface BackupToCopy {
  readonly cluster: string;
  readonly manifest: Manifest;
  /** Undefined: byte for byte. */
  readonly to: AgeRecipients | undefined;
}

/** How long the clean-up after a failure may take. */
const ABANDON_LIMIT_MS = 10_000;

/**
 * Gives the manifest that the backup has in `to`. Throws what reading and writing throw, OBJECT_* also for what did not arrive as it was sent, and
 * STORAGE_CONFLICT where somebody is writing the same; then nothing is left there, unless the process dies: the next copy finishes that.
 */
export async function copyBackup(from: Repository, to: Repository, backup: BackupToCopy, options: CopyOptions): Promise<Manifest> {
  const { cluster, manifest } = backup;
  const { runtime, signal, author } = options;
  const { id } = manifest;
  const startedAt = runtime.now().toISOString();
  const replacing = await abandonedMarker(to, cluster, id, options);
  const protection = { ...options.protection, encryption: backup.to };
  const upload = await beginUpload(to, author, { cluster, id, action: "copy" }, { runtime, signal, protection, replacing });
  let stored: Manifest;
  try {
    const held = { ...options, signal: AbortSignal.any([signal, upload.lost]) };
    const left = await leftBehind(to.storage, cluster, id, held);
    stored = await (backup.to === undefined ? copyAsStored : copyEncrypted)(from.storage, to.storage, backup, { ...held, upload, left });
  } catch (error) {
    await upload.abandon(ABANDON_LIMIT_MS);
    await lookAtPublished(to.storage, cluster, id, options);
    throw upload.reasonOf(error);
  }
  await recordVerification(to.storage, stored, startedAt, options);
  return stored;
}

/** Another may have published meanwhile what we have stored objects of, or we what he has. Never throws: what the copy failed with says more. */
async function lookAtPublished(target: Storage, cluster: string, id: string, options: CopyOptions): Promise<void> {
  const signal = options.signal.aborted ? AbortSignal.timeout(ABANDON_LIMIT_MS) : options.signal;
  try {
    await publishedDamage(target, cluster, id, { ...options, signal });
  } catch (error) {
    const message = `whether a whole ${id} is in ${target.location} could not be looked at: ${(error as Error).message}`;
    options.runtime.log({ level: "warn", message });
  }
}

interface Copying extends CopyOptions {
  readonly upload: BackupUpload;
  /** What a copy that died has stored, by name. */
  readonly left: ReadonlyMap<string, ObjectInfo>;
}

async function copyAsStored(source: Storage, target: Storage, { cluster, manifest: planned }: BackupToCopy, copying: Copying): Promise<Manifest> {
  const { upload, left, signal } = copying;
  const { id } = planned;
  const { manifest, bytes } = await readStoredManifest(source, cluster, id, { signal });
  if (contentOf(manifest) !== contentOf(planned)) throw new EtcdsafeError("STORAGE_CONFLICT", `${id} was replaced in ${source.location} while it was copied`);
  const signature = await readIfThere(source, signatureKey(manifestKey(cluster, id)), copying);
  const kept = new Set<string>();
  for (const object of manifest.objects) {
    const info = left.get(object.name);
    if (info === undefined || !(await isWhole(target, info.key, object, copying))) continue;
    upload.keep(object, info);
    kept.add(object.name);
  }
  await upload.discard(
    keysOf(left).filter((key) => !kept.has(nameOf(key))),
    copying,
  );
  for (const object of manifest.objects) {
    if (kept.has(object.name)) continue;
    const key = backupObjectKey(cluster, id, object.name);
    const body = reported(checkedBytes(source, key, object, copying), `copy ${id}`, object.storedSizeBytes, copying);
    await upload.putEncoded(
      object,
      (to) => target.put(to, body, { signal, ifAbsent: true }),
      () => object,
    );
    await arrived(target, key, object, copying);
  }
  await publish(source, target, manifest, copying, { bytes, signature });
  return manifest;
}

async function copyEncrypted(source: Storage, target: Storage, { cluster, manifest }: BackupToCopy, copying: Copying): Promise<Manifest> {
  const { upload, left, signal, author, runtime } = copying;
  const { id } = manifest;
  await upload.discard(keysOf(left), copying); // Each time with other keys: nobody can tell whether it is whole.
  const objects: StoredObject[] = [];
  for (const object of manifest.objects) {
    const raw = opened(source, backupObjectKey(cluster, id, object.name), object, copying);
    await using reader = readerOf(reported(raw, `copy ${id}`, object.rawSizeBytes, copying));
    const stored = await upload.put({ role: object.role, name: plainName(object) }, reader, { signal });
    await arrived(target, backupObjectKey(cluster, id, stored.name), stored, copying);
    objects.push(stored);
  }
  const encrypted = { ...manifest, tool: author.tool, publishedAt: runtime.now().toISOString(), objects };
  await publish(source, target, encrypted, copying, undefined);
  return encrypted;
}

/** The pin first: a backup that somebody wants to keep is at no time without it. */
async function publish(source: Storage, target: Storage, manifest: Manifest, copying: Copying, asStored: StoredManifest | undefined): Promise<void> {
  const { upload, signal } = copying;
  const key = pinKey(manifest.cluster, manifest.id);
  const pin = await readIfThere(source, key, copying);
  if (pin !== undefined && (await target.stat(key, { signal })) === undefined) await target.put(key, streamOf(pin), { signal, ifAbsent: true });
  const { isFinished } = await upload.publish(manifest, { signal, ...(asStored && { asStored }) });
  if (!isFinished)
    throw stoppedWith(signal.reason, `${manifest.id} is stored in ${target.location}; \`etcdsafe verify ${manifest.id}\` tells whether it is whole.`);
}

/** Says in the target what was read back there; a copy without that is as good. */
async function recordVerification(target: Storage, { cluster, id: backup, objects }: Manifest, startedAt: string, options: CopyOptions): Promise<void> {
  const { runtime, author } = options;
  const finishedAt = runtime.now().toISOString();
  const readSizeBytes = objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0);
  const passed = { level: "stored-bytes", outcome: "passed", hashKv: null, failure: null, findings: [] } as const;
  await writeVerification(target, cluster, author, { backup, ...passed, findings: [], startedAt, finishedAt, readSizeBytes }, options).catch(
    (error: unknown) => {
      runtime.log({ level: "warn", message: `${backup} is copied, but that it was verified could not be recorded: ${(error as Error).message}` });
    },
  );
}

/** All stored bytes; ends with an error unless they are what the manifest says, so that whoever stores them stores nothing. */
async function* checkedBytes(
  source: Storage,
  key: string,
  { storedSizeBytes, storedSha256 }: StoredObject,
  { signal }: CopyOptions,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of source.read(key, { signal })) {
    sizeBytes += chunk.length;
    hash.update(chunk);
    yield chunk;
  }
  const where = `${key} in ${source.location}`;
  if (sizeBytes < storedSizeBytes) throw new EtcdsafeError("OBJECT_TRUNCATED", `${where} holds ${sizeBytes} of its ${storedSizeBytes} bytes`);
  const found = hash.digest("hex");
  if (found !== storedSha256) throw new EtcdsafeError("OBJECT_CORRUPT", `${where}: SHA-256 of its stored bytes is ${found}, its manifest says ${storedSha256}`);
}

/** All raw bytes. */
async function* opened(source: Storage, key: string, object: StoredObject, { signal, keys }: CopyOptions): AsyncGenerator<Uint8Array> {
  try {
    yield* decodeObject(source, key, object, { signal, keys });
  } catch (error) {
    throw inStore(source, error);
  }
}

/** Reads it back. */
async function arrived(target: Storage, key: string, object: StoredObject, { signal }: CopyOptions): Promise<void> {
  try {
    await checkStoredBytes(target, key, object, { signal });
  } catch (error) {
    throw inStore(target, error);
  }
}

async function isWhole(target: Storage, key: string, object: StoredObject, { signal }: CopyOptions): Promise<boolean> {
  try {
    await checkStoredBytes(target, key, object, { signal });
    return true;
  } catch (error) {
    if (error instanceof EtcdsafeError && (error.code === "OBJECT_TRUNCATED" || error.code === "OBJECT_CORRUPT")) return false;
    throw error;
  }
}

/** Says which of the two stores it is about. */
function inStore({ location }: Storage, error: unknown): unknown {
  if (!(error instanceof EtcdsafeError) || !error.code.startsWith("OBJECT_")) return error;
  return new EtcdsafeError(error.code, `${location}: ${error.message}`, { hint: error.hint, cause: error });
}

async function* reported(source: ByteStream, step: string, totalBytes: number, { runtime }: CopyOptions): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  yield* counted(source, (sizeBytes) => {
    doneBytes += sizeBytes;
    runtime.progress({ step, doneBytes, totalBytes });
  });
  runtime.progress({ step, doneBytes, totalBytes, done: true });
}

async function readIfThere(storage: Storage, key: string, { signal }: CopyOptions): Promise<Uint8Array | undefined> {
  try {
    return await collect(storage.read(key, { signal }), DOCUMENT_SIZE_BYTES_MAX, () => new EtcdsafeError("REPOSITORY_INVALID", `${key} is too long`));
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
}

function keysOf(left: ReadonlyMap<string, ObjectInfo>): string[] {
  return Array.from(left.values(), ({ key }) => key);
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

function plainName({ name, encryption }: StoredObject): string {
  return encryption === null ? name : name.slice(0, -ENCRYPTED_SUFFIX.length);
}
