// A member's snapshot stream into the spool, at the speed of the network: the hash at its end is compared when the spool is read back,
// so that one pass over the bytes speaks for the way here and for the spool.
import { hashFile } from "../bytes/hash-file.ts";
import type { Spool } from "../bytes/spool.ts";
import { hasTrailer, TRAILER_SIZE_BYTES, type TrailingHashResult } from "../bytes/trailing-hash.ts";
import type { SnapshotStream } from "../cluster/snapshot-stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";

/** Writes all of `stream` to `spool` and flushes it; how many bytes came. Throws what stream and spool throw, and ETCD_STREAM_CUT for one that ends early. */
export async function receiveSnapshot(stream: SnapshotStream, spool: Spool, options: CallOptions & { readonly runtime: Runtime }): Promise<number> {
  const totalBytes = stream.totalSizeBytes;
  let doneBytes = 0;
  options.runtime.progress({ step: "stream", doneBytes, totalBytes });
  for await (const batch of stream) {
    options.signal.throwIfAborted();
    await spool.append(batch);
    for (const chunk of batch) doneBytes += chunk.length;
    options.runtime.progress({ step: "stream", doneBytes, totalBytes });
  }
  await spool.flush();
  options.runtime.progress({ step: "stream", doneBytes, totalBytes, done: true });
  requireTrailer(doneBytes);
  return doneBytes;
}

/** Where the bytes were until they were hashed, and what has become of them since. */
export interface Way {
  /** Of the local copy that was read back; absent where there was none. */
  readonly spoolDirectory?: string;
  /** Whether somebody else has them already. */
  readonly passedOn?: boolean;
}

/** Throws ETCD_STREAM_CUT for what cannot be a database and its hash, SNAPSHOT_HASH_MISMATCH where the bytes are not those that etcd sent. */
export function checkReceived(received: TrailingHashResult, way: Way): TrailingHashResult {
  requireTrailer(received.rawSizeBytes);
  requireEqualHash(received, way);
  return received;
}

function requireTrailer(rawSizeBytes: number): void {
  if (hasTrailer(rawSizeBytes)) return;
  throw new EtcdsafeError("ETCD_STREAM_CUT", `the snapshot ended after ${rawSizeBytes} bytes, without the hash that etcd sends last`);
}

function requireEqualHash({ dataSha256, trailer }: Pick<TrailingHashResult, "dataSha256" | "trailer">, { spoolDirectory, passedOn = false }: Way): void {
  if (dataSha256 === trailer) return;
  const [where, disk] =
    spoolDirectory === undefined
      ? ["on the way or in memory", ", or this host's memory"]
      : ["on the way, in memory or in the local copy", `, this host's memory, or the disk of ${spoolDirectory}`];
  const outcome = passedOn ? "what was passed on is no snapshot" : "nothing was published";
  throw new EtcdsafeError("SNAPSHOT_HASH_MISMATCH", `etcd sent the SHA-256 ${trailer}, but the bytes that arrived give ${dataSha256}`, {
    hint: `The bytes changed ${where}; ${outcome}. Run it again; if it stays so, suspect a proxy in between${disk}.`,
  });
}

/** Reads the spool back for its hash alone; that of the database, hexadecimal. Throws SNAPSHOT_HASH_MISMATCH. */
export async function checkSpoolHash(spool: Spool, rawSizeBytes: number, { signal }: CallOptions): Promise<string> {
  const dataSizeBytes = rawSizeBytes - TRAILER_SIZE_BYTES;
  const dataSha256 = await hashFile({ path: spool.path, from: 0, to: dataSizeBytes }, { signal });
  const trailer = Buffer.alloc(TRAILER_SIZE_BYTES);
  await spool.read(trailer, dataSizeBytes);
  requireEqualHash({ dataSha256, trailer: trailer.toString("hex") }, { spoolDirectory: spool.directory });
  return dataSha256;
}
