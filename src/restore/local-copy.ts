// A stored backup as a file on this host, for what has to look at more of it than a few frames. It has no name, and goes with the process.
import { tmpdir } from "node:os";
import { openSpool, type Spool } from "../bytes/spool.ts";
import type { ByteStream } from "../bytes/stream.ts";

/** Throws SPOOL_NO_SPACE, and what `content` throws. To be closed by the caller. */
export async function localCopy(content: ByteStream, sizeBytes: number): Promise<Spool> {
  const spool = await openSpool(tmpdir(), sizeBytes);
  try {
    for await (const chunk of content) await spool.append([chunk]);
    return spool;
  } catch (error) {
    await spool.close();
    throw error;
  }
}
