// A member's snapshot stream into the spool, at the speed of the network, hashed on the way.
import type { Spool } from "../bytes/spool.ts";
import { TRAILER_SIZE_BYTES, TrailingHash, type TrailingHashResult } from "../bytes/trailing-hash.ts";
import type { SnapshotStream } from "../cluster/snapshot-stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";

/** etcdutl/snapshot/v3_snapshot.go hasChecksum: a database is whole sectors, the hash comes on top. */
const SECTOR_SIZE_BYTES = 512;

/** Writes all of `stream` to `spool` and flushes it. Throws what stream and spool throw, ETCD_STREAM_CUT for one that ends early, SNAPSHOT_HASH_MISMATCH. */
export async function receiveSnapshot(stream: SnapshotStream, spool: Spool, options: CallOptions & { readonly runtime: Runtime }): Promise<TrailingHashResult> {
  const hash = new TrailingHash();
  const totalBytes = stream.totalSizeBytes;
  let doneBytes = 0;
  for await (const batch of stream) {
    options.signal.throwIfAborted();
    const written = spool.append(batch);
    for (const chunk of batch) {
      hash.update(chunk);
      doneBytes += chunk.length;
    }
    await written;
    options.runtime.progress({ step: "stream", doneBytes, totalBytes });
  }
  await spool.flush();
  options.runtime.progress({ step: "stream", doneBytes, totalBytes, done: true });
  return checkReceived(hash.finish());
}

/** What the bytes alone tell: the file has its hash, and the hash is right. */
export function checkReceived(received: TrailingHashResult): TrailingHashResult {
  if (received.rawSizeBytes % SECTOR_SIZE_BYTES !== TRAILER_SIZE_BYTES) {
    throw new EtcdsafeError("ETCD_STREAM_CUT", `the snapshot ended after ${received.rawSizeBytes} bytes, without the hash that etcd sends last`);
  }
  if (received.dataSha256 !== received.trailer) {
    throw new EtcdsafeError("SNAPSHOT_HASH_MISMATCH", `etcd sent the SHA-256 ${received.trailer}, but the bytes that arrived give ${received.dataSha256}`, {
      hint: "The bytes changed on the way or in memory; nothing was published. Run it again, and suspect a proxy in between or the host's memory if it stays so.",
    });
  }
  return received;
}
