// What every repository's store has to do, tried one by one.
import { createHash, type Hash } from "node:crypto";
import { type ByteStream, collect, streamOf } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { UnfinishedUpload } from "../storage/capabilities.ts";
import type { ObjectInfo, ReadOptions, Storage } from "../storage/storage.ts";
import { createsAfterRemoval, isRefused } from "./conditions.ts";
import { mayBeDenied } from "./object-lock.ts";
import { fails, type Outcome, type TrialRun, works } from "./trial-run.ts";

const OBJECT_SIZE_BYTES = 100_000;
const RANGE = { start: 1_000, end: 50_001 };
/** More than two parts of any backend's. */
const LARGE_SIZE_BYTES = 20 * 1024 * 1024;
const CHUNK_SIZE_BYTES = 1024 * 1024;
/** Certificates, leases and signed requests bear this much, and backups' times are still worth something. */
const SKEW_MS_MAX = 30_000;

export async function tryBasics(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  const key = run.key("object");
  const bytes = pattern(OBJECT_SIZE_BYTES);
  const isStored = await run.try("put", "everything", async () => {
    const { sizeBytes } = await storage.put(key, streamOf(bytes), options);
    return sizeBytes === bytes.length ? works("objects can be stored") : fails(`the store says that it holds ${sizeBytes} of ${bytes.length} bytes`);
  });
  const needsIt = (step: () => Promise<Outcome>) => async () => (isStored ? step() : notTried("nothing could be stored"));
  await run.try(
    "stat",
    "everything",
    needsIt(async () => sizeOutcome(await storage.stat(key, options))),
  );
  const read = async (reading: ReadOptions, wanted: Uint8Array) =>
    Buffer.compare(await collect(storage.read(key, reading), OBJECT_SIZE_BYTES, tooLong), wanted) === 0 ? undefined : "other bytes came back than were stored";
  await run.try(
    "read",
    "everything",
    needsIt(async () => outcomeOf(await read(options, bytes), "what was stored comes back")),
  );
  const ranged = () => read({ ...options, range: RANGE }, bytes.subarray(RANGE.start, RANGE.end));
  await run.try(
    "ranged-read",
    "everything",
    needsIt(async () => outcomeOf(await ranged(), "parts of objects can be read")),
  );
  await run.try(
    "list",
    "everything",
    needsIt(async () => {
      for await (const info of storage.list(run.prefix(), options)) if (info.key === key) return sizeOutcome(info);
      return fails("the list lacks an object that was just stored");
    }),
  );
}

export async function tryUploads(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  const large = run.key("large");
  const sent = createHash("sha256");
  const isStored = await run.try("large-upload", "everything", async () => {
    const { sizeBytes } = await storage.put(large, hashed(chunks(LARGE_SIZE_BYTES), sent), options);
    if (sizeBytes !== LARGE_SIZE_BYTES) return fails(`the store says that it holds ${sizeBytes} of ${LARGE_SIZE_BYTES} bytes`);
    return works("a stream of a length not known before can be stored");
  });
  await run.try("large-read", "everything", async () => {
    if (!isStored) return notTried("no large object could be stored");
    const came = createHash("sha256");
    for await (const _ of hashed(storage.read(large, options), came));
    return outcomeOf(
      came.digest("hex") === sent.digest("hex") ? undefined : "other bytes came back than were stored",
      "what was stored in parts comes back whole",
    );
  });
  const cancelled = run.key("cancelled");
  await run.try("cancelled-upload", "everything", async () => {
    const stop = new AbortController();
    const signal = AbortSignal.any([options.signal, stop.signal]);
    const body = chunks(LARGE_SIZE_BYTES, (sentBytes) => {
      if (sentBytes > LARGE_SIZE_BYTES / 2) stop.abort();
    });
    const ended = await storage.put(cancelled, body, { signal }).then(
      () => "completed",
      () => "cancelled",
    );
    options.signal.throwIfAborted();
    if (ended === "completed") return fails("an upload that was cancelled half way was stored all the same");
    for await (const { key } of storage.list(run.prefix(), options)) if (key === cancelled) return fails("an upload that was cancelled half way is listed");
    const left = await mayBeDenied(() => firstUnfinished(storage, run.prefix(), options));
    if (left === "denied") return works("what is cancelled half way is not listed; whether parts of it are left may not be asked");
    return works(
      left === undefined
        ? "what is cancelled half way leaves nothing"
        : `what is cancelled is not listed, but parts of ${left.key} are left, which \`repo gc\` removes`,
    );
  });
}

async function firstUnfinished({ unfinished }: Storage, prefix: string, options: CallOptions): Promise<UnfinishedUpload | undefined> {
  for await (const upload of unfinished?.list(prefix, options) ?? []) return upload;
  return undefined;
}

export async function tryConditionalCreate(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  await run.try("conditional-create", "several-writers", async () => {
    const key = run.key("once");
    await storage.put(key, streamOf(Buffer.from("first")), { ...options, ifAbsent: true });
    for (const another of ["second", "third"])
      if (!(await isRefused(storage, key, Buffer.from(another), { ifAbsent: true }, options)))
        return fails("a second create of an object that exists was not refused: of two writers, one would overwrite the other");
    return works("what exists is not created again");
  });
}

export async function tryCompareAndSwap(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  await run.try("compare-and-swap", "several-writers", async () => {
    const key = run.key("state");
    const { version } = await storage.put(key, streamOf(Buffer.from("first")), options);
    await storage.put(key, streamOf(Buffer.from("second")), { ...options, ifVersion: version });
    if (!(await isRefused(storage, key, Buffer.from("third"), { ifVersion: version }, options)))
      return fails("an object was replaced although it had changed since: two hosts could both believe that they are the one writer");
    return works("an object is replaced only while it is what was read");
  });
}

export async function tryRemoval(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  await run.try("remove", "removal", async () => {
    const key = run.key("object");
    await storage.remove(key, options);
    return (await storage.stat(key, options)) === undefined ? works("objects can be removed") : fails("an object that was removed is still there");
  });
}

/** Some stores take the mark of a deletion for an object. */
export async function tryCreateAfterRemoval(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  await run.try("create-after-removal", "removal", async () => {
    const created = await mayBeDenied(() => createsAfterRemoval(storage, run.key("again"), options));
    if (created === "denied") return notTried("nothing may be removed");
    return created
      ? works("what was removed can be created again")
      : fails("what was deleted counts as existing still, and is not created again: in a prefix that held a repository before there can be no new one");
  });
}

export async function tryClock(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  await run.try("clock", "several-writers", async () => {
    const beforeMs = options.runtime.now().getTime();
    const { time, uncertaintyMs } = (await storage.clock?.now(options)) ?? (await timeOfAPut(run));
    const afterMs = options.runtime.now().getTime();
    const skewMs = time.getTime() - (beforeMs + afterMs) / 2;
    const beyondMs = Math.abs(skewMs) - uncertaintyMs - (afterMs - beforeMs) / 2;
    const text =
      beyondMs <= 0
        ? "the store's clock and this host's agree"
        : `the store's clock is ${Math.round(Math.abs(skewMs))} ms ${skewMs > 0 ? "ahead of" : "behind"} this host's`;
    return beyondMs > SKEW_MS_MAX ? fails(`${text}: set the wrong one right`) : works(text);
  });
}

/** Stores count time in whole seconds, some of them. */
async function timeOfAPut(run: TrialRun): Promise<{ readonly time: Date; readonly uncertaintyMs: number }> {
  const { modifiedAt } = await run.storage.put(run.key("clock"), streamOf(Buffer.from("time")), run.options);
  return { time: modifiedAt, uncertaintyMs: 1000 };
}

function sizeOutcome(info: ObjectInfo | undefined): Outcome {
  if (info === undefined) return fails("the store does not know an object that was just stored");
  if (info.sizeBytes !== OBJECT_SIZE_BYTES) return fails(`the store says that an object of ${OBJECT_SIZE_BYTES} bytes has ${info.sizeBytes}`);
  return works("objects are found, with their sizes");
}

function outcomeOf(fault: string | undefined, otherwise: string): Outcome {
  return fault === undefined ? works(otherwise) : fails(fault);
}

function notTried(detail: string): Outcome {
  return { outcome: "not-tried", detail };
}

function tooLong(): EtcdsafeError {
  return new EtcdsafeError("OBJECT_CORRUPT", "more bytes came back than were stored");
}

function pattern(sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff;
  return bytes;
}

async function* hashed(source: ByteStream, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

async function* chunks(sizeBytes: number, onSent: (sentBytes: number) => void = () => undefined): ByteStream {
  const chunk = pattern(CHUNK_SIZE_BYTES);
  for (let sent = 0; sent < sizeBytes; sent += chunk.length) {
    yield chunk;
    onSent(sent + chunk.length);
  }
}
