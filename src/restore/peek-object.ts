// A look into a stored snapshot, as a plan needs it: of the object only the frames are read that hold the few pages which tell the facts.
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { peekSnapshot, type SnapshotPeek } from "../etcd-files/check/peek.ts";
import { peekFetched } from "../etcd-files/check/peek-fetched.ts";
import { FRAME_RAW_SIZE_BYTES } from "../repository/frame-codec.ts";
import type { ObjectReader } from "../repository/object-decoder.ts";
import type { CallOptions } from "../runtime.ts";
import { localCopy } from "./local-copy.ts";

/** What would take too many frames is read from a local copy. `name` is for messages. Throws what peekSnapshot and `object` throw, and SPOOL_NO_SPACE. */
export async function peekObject(name: string, object: ObjectReader, options: CallOptions): Promise<SnapshotPeek> {
  const { rawSizeBytes: sizeBytes } = object;
  const fetched = { sizeBytes, blockSizeBytes: FRAME_RAW_SIZE_BYTES, fetch: object.readRaw.bind(object) };
  return (await peekFetched(name, fetched, options)) ?? (await peekCopy(name, object, options));
}

async function peekCopy(name: string, object: ObjectReader, options: CallOptions): Promise<SnapshotPeek> {
  await using copy = await localCopy(object.stream(options), object.rawSizeBytes);
  const source = openFilePageSource(copy.path);
  try {
    return peekSnapshot(name, source);
  } finally {
    source.close();
  }
}
