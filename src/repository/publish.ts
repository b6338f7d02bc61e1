// Publication of a backup: marker, objects, manifest last. docs/repository-format.md, "Order of writing".
import type { AgeRecipients } from "../age/recipients.ts";
import { type ByteReader, streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode, saysWhatIsLeft, stoppedWith } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo } from "../storage/storage.ts";
import { type MarkerRuntime, placeUploadMarker } from "./held-marker.ts";
import { encodeManifest, type Manifest, type StoredObject } from "./manifest.ts";
import { backupObjectKey, manifestKey } from "./names.ts";
import { ENCRYPTED_SUFFIX, type EncodeOptions, encodeObject, type ObjectFacts } from "./object-encoder.ts";
import { checkStoredSize } from "./object-frames.ts";
import { type LockPolicy, versionLocker } from "./object-lock.ts";
import type { Author, Repository } from "./repository.ts";
import { encodeSignature, type SigningKey, signatureKey } from "./signature.ts";

/** Half of what an agent gives to what it has told to stop. */
const PUBLISH_GRACE_MS = 1_000;

/** A backup being written; either published or abandoned in the end. */
export interface BackupUpload {
  /** Aborted with WRITER_LEASE_LOST once another process writes or removes this backup: whatever is done for it has to end. */
  readonly lost: AbortSignal;
  /** Encodes and stores one object; the entry for the manifest's `objects`. The name of one that is encrypted gets `.age` behind it. */
  put(object: Pick<StoredObject, "role" | "name">, raw: ByteReader, options: Omit<EncodeOptions, "encryption">): Promise<StoredObject>;
  /** The same for an object that is encoded already: `write` puts it, if absent, under the key it is given, and `facts` are asked for when that is done. */
  putEncoded(object: Pick<StoredObject, "role" | "name">, write: (key: string) => Promise<ObjectInfo>, facts: () => ObjectFacts): Promise<StoredObject>;
  /** Takes an object for its own that is there already, whole: what a writer that died has left of the same backup. */
  keep(object: Pick<StoredObject, "name">, info: ObjectInfo): void;
  /** Removes what a writer that died has left, by keys. Throws STORAGE_CONFLICT where the backup was finished meanwhile. */
  discard(keys: readonly string[], options: CallOptions): Promise<void>;
  /**
   * Writes the manifest, after which the backup exists, and takes the marker away. An abort after it began does not end it before that had time to be done. The objects it names must be there. `asStored`: its bytes in another
   * repository, and the signature there, to be stored as they are. Throws WRITER_LEASE_LOST where another process may have removed what the manifest names, and the
   * reason of an abort, saying that the manifest may be there, where that is not known.
   */
  publish(manifest: Manifest, options: CallOptions & { readonly asStored?: StoredManifest }): Promise<Published>;
  /**
   * Removes what was stored, as far as the store lets us in `limitMs`. Never throws: `repo gc` finds the rest. After `publish` began it removes nothing; nor does
   * it once the marker is another's.
   */
  abandon(limitMs: number): Promise<void>;
  /** What to fail with where this was thrown: once the backup is another's, that says better what is wrong than what failed because of it. */
  reasonOf(error: unknown): unknown;
}

export interface Published {
  /** Whether all was done; else an abort kept the backup, which is there, from being locked, or from being looked at once more. */
  readonly isFinished: boolean;
}

/** A manifest as it is stored, and what lies beside it. */
export interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array | undefined;
}

/** What every backup of a run is given. */
export interface Protection {
  /** Absent: its objects are not encrypted. */
  readonly encryption?: AgeRecipients | undefined;
  /** Absent: its manifest is not signed. */
  readonly signing?: SigningKey | undefined;
  /** Absent: its versions are not locked. */
  readonly lock?: LockPolicy | undefined;
}

/** Begins a backup with an id of its own; or goes on with one, `replacing` the marker of whoever has died over it, by its version. */
export async function beginUpload(
  repository: Repository,
  author: Author,
  backup: { readonly cluster: string; readonly id: string; readonly action: "save" | "copy" | "compact" | "rekey" },
  options: CallOptions & {
    readonly runtime: MarkerRuntime;
    readonly protection?: Protection;
    readonly replacing?: string | undefined;
  },
): Promise<BackupUpload> {
  const { storage } = repository;
  const { cluster, id, action } = backup;
  const { runtime, protection: { encryption, signing, lock } = {} } = options;
  const lockVersion = lock && (await versionLocker(storage, lock, options));
  const marker = await placeUploadMarker(repository, { author, cluster, backup: id, action, replacing: options.replacing }, options);
  const { lost } = marker;
  const orLost = ({ signal }: CallOptions) => AbortSignal.any([signal, lost]);
  const own = new Set<string>();
  const stored: ObjectInfo[] = [];
  let publishing = false;
  const putAsOwn = async (key: string, write: (key: string) => Promise<ObjectInfo>) => {
    own.add(key);
    return write(key).catch((error: unknown) => {
      if (hasCode(error, "STORAGE_CONFLICT")) own.delete(key); // It is another writer's.
      throw error;
    });
  };
  const putEncoded: BackupUpload["putEncoded"] = async ({ role, name }, write, factsOf) => {
    const key = backupObjectKey(cluster, id, name);
    const info = await putAsOwn(key, write);
    const facts = factsOf();
    if (info.sizeBytes !== facts.storedSizeBytes)
      throw new EtcdsafeError("OBJECT_TRUNCATED", `${storage.location} holds ${info.sizeBytes} bytes of ${key} after it was sent ${facts.storedSizeBytes}`);
    stored.push(info);
    return { role, name, ...facts, storeVersion: info.versionId ?? null };
  };
  return {
    lost,
    put: ({ role, name }, raw, options) => {
      const signal = orLost(options);
      const encoded = encodeObject(raw, { ...options, signal, encryption });
      const write = (key: string) => storage.put(key, encoded.stored, { signal, ifAbsent: true });
      return putEncoded({ role, name: encryption === undefined ? name : `${name}${ENCRYPTED_SUFFIX}` }, write, encoded.facts);
    },
    putEncoded,
    keep: ({ name }, info) => {
      own.add(backupObjectKey(cluster, id, name));
      stored.push(info);
    },
    discard: async (keys, options) => {
      if (keys.length === 0) return;
      if (!(await marker.removeObjects(keys, options)))
        throw new EtcdsafeError("STORAGE_CONFLICT", `${id} was finished in ${storage.location} by another process meanwhile`);
      await marker.goOn(options);
    },
    publish: async (manifest, { asStored, ...options }) => {
      const signal = orLost(options);
      const bytes = asStored?.bytes ?? encodeManifest(manifest);
      for (const object of manifest.objects) await checkStoredSize(storage, backupObjectKey(cluster, id, object.name), object, { signal });
      const key = manifestKey(cluster, id);
      const signature = asStored === undefined ? signing && encodeSignature(key, bytes, signing) : asStored.signature;
      if (signature !== undefined) stored.push(await putAsOwn(signatureKey(key), (to) => storage.put(to, streamOf(signature), { signal, ifAbsent: true })));
      // All checks have passed by now: nothing is locked that will not be a backup, but for what fails from here on.
      for (const info of stored) await lockVersion?.(info, { signal });
      await marker.requireHeld({ signal });
      publishing = true;
      let isThere = false;
      using late = abortedLate(options.signal);
      const unhurried = { signal: orLost(late) };
      try {
        const info = await storage.put(key, streamOf(bytes), { ...unhurried, ifAbsent: true });
        isThere = true;
        // Whoever took the marker before this may have removed objects; whoever takes it afterwards sees the manifest.
        await marker.requireUntouched(late);
        await lockVersion?.(info, unhurried);
      } catch (error) {
        await marker.stop(); // Whether the manifest arrived is not known for certain, so nothing is removed.
        if (hasCode(error, "STORAGE_CONFLICT")) throw error;
        const { reason } = options.signal;
        const aborted = options.signal.aborted && reason !== lost.reason; // A copy's signal tells of the loss as well.
        if (lost.aborted) {
          const known = lostWhilePublished(`${id} ${isThere ? "is" : "may be"} in ${storage.location}`, id, lost.reason as EtcdsafeError);
          throw aborted ? stoppedWith(reason, `${known.message}. ${known.hint}`) : known;
        }
        if (!aborted) throw error;
        if (!isThere) throw stoppedWith(reason, `${id} may be stored in ${storage.location}: its manifest was on its way. \`etcdsafe list\` tells.`);
        const message = `${id} is stored in ${storage.location}, but not all was done for it: ${(error as Error).message}. \`etcdsafe verify ${id}\` tells whether it is whole`;
        runtime.log({ level: "warn", message });
        return { isFinished: false };
      }
      await marker.remove(late).catch((error: unknown) => {
        runtime.log({ level: "warn", message: `${id} is stored, but its upload marker could not be removed: ${(error as Error).message}` });
      });
      return { isFinished: true };
    },
    abandon: async (limitMs) => {
      if (publishing) return;
      const options = { signal: AbortSignal.timeout(limitMs) };
      try {
        await marker.stop();
        await marker.removeObjects([...own], options);
        await marker.remove(options);
      } catch (error) {
        runtime.log({ level: "warn", message: `the unfinished backup ${id} could not be removed: ${(error as Error).message}` });
      }
    },
    reasonOf: (error) => (lost.aborted && !hasCode(error, "WRITER_LEASE_LOST") && !saysWhatIsLeft(error) ? lost.reason : error),
  };
}

/** As `signal`, but later: whoever stops is to know whether there is a backup, and all that is left is small. */
function abortedLate(signal: AbortSignal): CallOptions & Disposable {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => late.abort(signal.reason), PUBLISH_GRACE_MS);
  };
  if (signal.aborted) begin();
  signal.addEventListener("abort", begin);
  return {
    signal: late.signal,
    [Symbol.dispose]: () => {
      signal.removeEventListener("abort", begin);
      clearTimeout(timer);
    },
  };
}

function lostWhilePublished(where: string, id: string, cause: EtcdsafeError): EtcdsafeError {
  return new EtcdsafeError("WRITER_LEASE_LOST", `${where}, but may lack objects: ${cause.message}`, {
    hint: `This process stood still for minutes while it published. \`etcdsafe verify ${id}\` tells whether the backup is whole; if not, run it again.`,
    cause,
  });
}
