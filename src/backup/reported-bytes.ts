// What is uploaded, with its progress told: from the spool, or as the member sends it.
import type { Spool } from "../bytes/spool.ts";
import type { ByteReader } from "../bytes/stream.ts";
import type { SnapshotStream } from "../cluster/snapshot-stream.ts";
import type { Runtime } from "../runtime.ts";

/** All of the spool; each reader has a place of its own in it. That it was uploaded says who uploads it. */
export function fromSpool(spool: Spool, totalBytes: number, { runtime }: { readonly runtime: Runtime }): ByteReader {
  let doneBytes = 0;
  const report = () => runtime.progress({ step: "upload", doneBytes, totalBytes });
  report(); // From here on it takes time.
  return {
    read: async (into) => {
      const sizeBytes = await spool.read(into, doneBytes);
      doneBytes += sizeBytes;
      report();
      return sizeBytes;
    },
  };
}

/** The stream as it comes. */
export async function* reported(stream: SnapshotStream, runtime: Runtime): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  const totalBytes = stream.totalSizeBytes;
  runtime.progress({ step: "stream", doneBytes, totalBytes });
  for await (const batch of stream) {
    for (const chunk of batch) {
      doneBytes += chunk.length;
      yield chunk;
    }
    runtime.progress({ step: "stream", doneBytes, totalBytes });
  }
  runtime.progress({ step: "stream", doneBytes, totalBytes, done: true });
}
