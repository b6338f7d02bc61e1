// node:zlib's decoders over byte streams: a chunk is fed only when the one before it is used up, since it may be overwritten afterwards.
import type { Transform } from "node:stream";
import { constants, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from "node:zlib";
import type { ByteStream } from "../../bytes/stream.ts";
import { EtcdsafeError } from "../../errors.ts";

export type ZlibPacking = "gzip" | "zlib" | "zstd" | "deflate";

const OUTPUT = { chunkSize: 256 * 1024 };
/** What `zstd -d` takes without being asked: a header may demand up to 2^41 bytes of memory. */
const ZSTD_WINDOW_LOG_MAX = 27;

const DECODERS: Readonly<Record<ZlibPacking, () => Transform>> = {
  gzip: () => createGunzip(OUTPUT),
  zlib: () => createInflate(OUTPUT),
  deflate: () => createInflateRaw(OUTPUT),
  zstd: () => createZstdDecompress({ ...OUTPUT, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } }),
};

/** `name` is for messages. Throws OBJECT_TRUNCATED where the input ends within the packed data, OBJECT_CORRUPT for what cannot be unpacked. */
export async function* inflate(name: string, packing: ZlibPacking, source: ByteStream): AsyncGenerator<Uint8Array> {
  const decoder = DECODERS[packing]();
  const feeding = feed(source, decoder);
  feeding.catch((error: Error) => decoder.destroy(error)); // Reported by the loop below, or to nobody where that has ended.
  try {
    for await (const chunk of decoder) yield chunk;
    await feeding;
  } catch (error) {
    throw unpackError(name, error);
  } finally {
    decoder.destroy();
    await feeding.catch(() => undefined);
  }
}

async function feed(source: ByteStream, decoder: Transform): Promise<void> {
  let failed: Error | undefined;
  const closed = new Promise<void>((resolve) => {
    decoder.once("error", (error) => {
      failed = error;
      resolve();
    });
    decoder.once("close", resolve);
  });
  for await (const chunk of source) {
    await Promise.race([new Promise<void>((resolve) => decoder.write(chunk, () => resolve())), closed]);
    if (failed !== undefined) throw failed;
    if (decoder.destroyed) return; // Nobody wants the rest.
  }
  decoder.end();
}

/** Whatever comes from the store passes. */
function unpackError(name: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (error instanceof EtcdsafeError || !/^(Z_|ZSTD_|ERR_)/.test(code)) return error;
  const { message } = error as Error;
  if (code === "Z_BUF_ERROR" || message === "unexpected end of file")
    return new EtcdsafeError("OBJECT_TRUNCATED", `${name} is cut short: it ends within the packed data`, { cause: error });
  return new EtcdsafeError("OBJECT_CORRUPT", `${name} cannot be unpacked: ${message}`, { cause: error });
}
