// Downloads from Google Cloud Storage, by range, that go on where a connection broke.
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { type HttpAnswer, textOf } from "../http/request.ts";
import type { GsClient } from "./gs-client.ts";
import { onTheWay } from "./gs-errors.ts";
import { type GsPlace, objectPath } from "./gs-objects.ts";
import { announced, readResumed, sizeOfRange } from "./resumed-read.ts";
import type { ReadOptions } from "./storage.ts";

const PARTIAL = 206;
/** The range begins where the object ends. */
const OUT_OF_RANGE = 416;

export interface GsSource {
  readonly place: GsPlace;
  /** "read a/b in gs://bucket", for messages. */
  readonly what: string;
  /** Undefined: the one that is there now. */
  readonly generation: string | undefined;
}

/** Rejects with STORAGE_NOT_FOUND on the first pull. */
export async function* readObject(client: GsClient, { place, what, generation: wanted }: GsSource, { range, signal }: ReadOptions): AsyncGenerator<Uint8Array> {
  const options = { signal };
  const start = range?.start ?? 0;
  let generation = wanted;
  const path = objectPath(place);
  if (range !== undefined && range.end <= start) {
    await client.json(what, { method: "GET", path, query: { generation, fields: "name" } }, options); // Nothing to read, of an object that has to be there.
    return;
  }
  const openAt = async (at: number): Promise<ByteStream> => {
    if (range !== undefined && at >= range.end) return nothing();
    const headers = range === undefined && at === 0 ? undefined : { range: `bytes=${at}-${range === undefined ? "" : range.end - 1}` };
    const answer = await client.once(
      what,
      { method: "GET", path, query: { alt: "media", generation }, ...(headers && { headers }), expected: [OUT_OF_RANGE] },
      options,
    );
    if (answer.status === OUT_OF_RANGE) {
      await onTheWay(what, () => textOf(answer));
      return nothing();
    }
    if (at > 0 && answer.status !== PARTIAL)
      throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: bytes from ${at} on were asked for, all were sent`);
    generation ??= singleHeader(answer, "x-goog-generation");
    return announced(what, answer.body, sizeOfRange(answer.headers["content-range"]) ?? Number(answer.headers["content-length"] ?? 0));
  };
  yield* readResumed(start, openAt, client.retry(options));
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // No bytes.
}

function singleHeader({ headers }: HttpAnswer, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}
