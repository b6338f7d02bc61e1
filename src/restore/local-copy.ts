// A stored backup as a file on this host, for what has to look at more of it than a few frames. It has no name, and goes with the process.
import { tmpdir } from "node:os";
import { openSpool, type Spool } from "../bytes/spool.ts";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";

/** Throws SPOOL_NO_SPACE, and what `content` throws. To be closed by the caller. */
export async function localCopy(content: ByteStream, sizeBytes: number): Promise<Spool> {
  const directory = tmpdir();
  const spool = await openSpool(directory, sizeBytes).catch((error: unknown) => {
    throw withoutOption(error, directory);
  });
  try {
    for await (const chunk of content) await spool.append([chunk]);
    return spool;
  } catch (error) {
    await spool.close();
    throw withoutOption(error, directory);
  }
}

/** A restore has no option for where it spools: it seldom does. */
function withoutOption(error: unknown, directory: string): unknown {
  if (!hasCode(error, "SPOOL_NO_SPACE")) return error;
  const hint = `The backup is read from a local copy here: free space in ${directory}, or name a directory on a larger file system in TMPDIR.`;
  return new EtcdsafeError(error.code, error.message, { hint, cause: error });
}
