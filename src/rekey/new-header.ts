// An encrypted object under a new header: the same payload, to be opened by others.
import { createHash, type Hash } from "node:crypto";
import { newHeader } from "../age/file.ts";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { StoredObject } from "../repository/manifest.ts";
import { backupObjectKey } from "../repository/names.ts";
import { decodeObject, openAgeObject } from "../repository/object-decoder.ts";
import { encryptionFacts, type ObjectFacts } from "../repository/object-encoder.ts";
import type { BackupUpload } from "../repository/publish.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import type { RekeyOptions, SourceObject } from "./rekey.ts";

/** Stores it, and reads it back to its end. Throws OBJECT_CORRUPT where the old one is not what its manifest says. */
export async function storeUnderNewHeader(
  storage: Storage,
  upload: BackupUpload,
  source: SourceObject,
  { cluster, id }: { readonly cluster: string; readonly id: string },
  { keys, to, signal }: RekeyOptions,
): Promise<StoredObject> {
  const { key, object } = source;
  const { fileKey, headerSizeBytes } = await openAgeObject(storage, key, object, { signal, keys });
  const header = await newHeader(fileKey, to);
  const hash = createHash("sha256").update(header);
  const write = (newKey: string) => writeWith(storage, newKey, source, { header, headerSizeBytes, hash }, { signal });
  const facts = (): ObjectFacts => ({
    codec: object.codec,
    storedSizeBytes: header.length + object.storedSizeBytes - headerSizeBytes,
    storedSha256: hash.digest("hex"),
    rawSizeBytes: object.rawSizeBytes,
    rawSha256: object.rawSha256,
    encryption: encryptionFacts(to),
  });
  const stored = await upload.putEncoded({ role: object.role, name: object.name }, write, facts);
  // Its own file key opens it, whoever else can.
  const reading = { signal, keys: { identities: [], passphrase: undefined, fileKey } };
  for await (const _ of decodeObject(storage, backupObjectKey(cluster, id, stored.name), stored, reading));
  return stored;
}

interface NewHeader {
  readonly header: Uint8Array;
  /** Of the old header. */
  readonly headerSizeBytes: number;
  /** Is fed with what follows the header. */
  readonly hash: Hash;
}

async function writeWith(
  storage: Storage,
  newKey: string,
  source: SourceObject,
  { header, headerSizeBytes, hash }: NewHeader,
  { signal }: CallOptions,
): Promise<ObjectInfo> {
  const { key, object } = source;
  const payload = checkedPayload(storage.read(key, { signal }), source, headerSizeBytes, hash);
  const options = { signal, ifAbsent: true };
  if (storage.composed === undefined) return storage.put(newKey, behind(header, payload), options);
  for await (const _ of payload); // The store copies it; what the manifest has to say of it is not known otherwise.
  return storage.composed.put(newKey, [{ bytes: header }, { key, start: headerSizeBytes, end: object.storedSizeBytes }], options);
}

/** What follows the old header, if the whole object is what its manifest says. */
async function* checkedPayload(stored: ByteStream, { key, object }: SourceObject, headerSizeBytes: number, hash: Hash): AsyncGenerator<Uint8Array> {
  const oldHash = createHash("sha256");
  let left = headerSizeBytes;
  for await (const chunk of stored) {
    oldHash.update(chunk);
    const part = chunk.subarray(Math.min(left, chunk.length));
    left -= chunk.length - part.length;
    if (part.length === 0) continue;
    hash.update(part);
    yield part;
  }
  const found = oldHash.digest("hex");
  if (found !== object.storedSha256)
    throw new EtcdsafeError("OBJECT_CORRUPT", `${key}: SHA-256 of its stored bytes is ${found}, its manifest says ${object.storedSha256}`);
}

async function* behind(header: Uint8Array, payload: ByteStream): AsyncGenerator<Uint8Array> {
  yield header;
  yield* payload;
}
