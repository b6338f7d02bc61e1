// Maintenance/Snapshot as batches of bytes for a file: pieces of what arrived, never copied. While nobody takes them, etcd is told to wait, and while
// it waits it holds a read transaction; so the stream is given up when no byte moves for the stall limit, whichever side is at fault.
import { TRAILER_SIZE_BYTES } from "../bytes/trailing-hash.ts";
import { EtcdsafeError, FormatError } from "../errors.ts";
import { SnapshotReader } from "../proto/rpc-snapshot.ts";
import type { CallOptions } from "../runtime.ts";
import type { MemberClient } from "./channel.ts";
import type { GrpcCall } from "./grpc-call.ts";
import { GrpcStatusError, malformed, refusal } from "./grpc-errors.ts";

const METHOD = "Maintenance/Snapshot";
/** One write of this size costs little more than one of etcd's own chunks of 32 KiB. */
const BATCH_SIZE_BYTES = 512 * 1024;
/** Enough to go on receiving during a write. With the window of http2-session.ts this is all that a slow reader can make us hold. */
const WAITING_BYTES_MAX = 4 * BATCH_SIZE_BYTES;

export interface SnapshotOptions extends CallOptions {
  /** Longest time in which no byte comes from the member or goes to the reader. */
  readonly stallLimitMs: number;
}

/** Database and trailing hash, in order. Iterated once; leaving the loop early, or `close`, ends the call on both sides at once. */
export interface SnapshotStream extends AsyncIterable<readonly Uint8Array[]>, AsyncDisposable {
  /** What all batches come to, hash included, in bytes. */
  readonly totalSizeBytes: number;
  /** What the member says of its storage, e.g. `3.6.0`, outside of the snapshot's transaction; absent before 3.6. */
  readonly storageVersion: string | undefined;
  /** Aborted with the fault when the stream breaks off or is given up: for a reader that is kept from reading by something else. */
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

/**
 * Resolves when the first chunk is here: the snapshot's point in time is fixed then. Rejects with ETCD_* errors, as the iteration does with
 * ETCD_STREAM_CUT, ETCD_STREAM_STALLED, ETCD_REQUEST_FAILED or the signal's reason.
 */
export async function openSnapshot(client: MemberClient, options: SnapshotOptions): Promise<SnapshotStream> {
  const stream = new ArrivingSnapshot(client.endpoint, await startStream(client, options), options);
  await stream.begun;
  return stream;
}

async function startStream(client: MemberClient, { signal, stallLimitMs }: SnapshotOptions): Promise<GrpcCall> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(stalled(client.endpoint, MEMBER_SILENT, stallLimitMs, BEFORE_ANYTHING)), stallLimitMs);
  try {
    return await client.stream(METHOD, new Uint8Array(0), { signal: AbortSignal.any([signal, silence.signal]) });
  } finally {
    clearTimeout(timer);
  }
}

interface Batch {
  readonly slices: Uint8Array[];
  sizeBytes: number;
}

class ArrivingSnapshot implements SnapshotStream {
  readonly begun: Promise<void>;
  readonly #endpoint: string;
  readonly #call: GrpcCall;
  readonly #options: SnapshotOptions;
  readonly #stallTimer: NodeJS.Timeout;
  readonly #reader = new SnapshotReader((slice) => this.#append(slice));
  readonly #waiting: Batch[] = [];
  #waitingBytes = 0;
  #filling: Batch = { slices: [], sizeBytes: 0 };
  readonly #lost = new AbortController();
  #over = false;
  #fault: unknown;
  /** Resolved whenever there may be something new for the reader. */
  #news = Promise.withResolvers<void>();

  constructor(endpoint: string, call: GrpcCall, options: SnapshotOptions) {
    this.#endpoint = endpoint;
    this.#call = call;
    this.#options = options;
    this.#stallTimer = setTimeout(() => this.#end(this.#stallError()), options.stallLimitMs);
    call.body.on("data", (chunk: Buffer) => this.#receive(chunk));
    call.finished.then(
      () => this.#end(this.#shortfall()),
      (fault: unknown) => this.#end(this.#cutError(fault)),
    );
    this.begun = this.#untilBegun();
  }

  get totalSizeBytes(): number {
    return (this.#reader.databaseSizeBytes ?? 0) + TRAILER_SIZE_BYTES;
  }

  get storageVersion(): string | undefined {
    return this.#reader.storageVersion;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Uint8Array[]> {
    try {
      for (let batch = await this.#next(); batch !== undefined; batch = await this.#next()) yield batch.slices;
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    this.#end(new EtcdsafeError("INTERNAL", `${this.#endpoint}: the snapshot stream was read after it was closed`));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #untilBegun(): Promise<void> {
    while (this.#reader.databaseSizeBytes === undefined && !this.#over) await this.#news.promise;
    if (this.#fault !== undefined) throw this.#fault;
  }

  async #next(): Promise<Batch | undefined> {
    while (this.#waiting.length === 0 && !this.#over) await this.#news.promise;
    if (this.#fault !== undefined) throw this.#fault;
    const batch = this.#waiting.shift();
    if (batch === undefined) return undefined;
    this.#waitingBytes -= batch.sizeBytes;
    if (!this.#over) {
      this.#stallTimer.refresh();
      this.#call.body.resume();
    }
    return batch;
  }

  #receive(chunk: Buffer): void {
    this.#stallTimer.refresh();
    const begun = this.#reader.databaseSizeBytes !== undefined;
    try {
      this.#reader.push(chunk);
    } catch (fault) {
      this.#end(fault instanceof FormatError ? malformed(this.#endpoint, "the snapshot stream", fault) : fault);
    }
    if (!begun) this.#tell();
  }

  #append(slice: Uint8Array): void {
    this.#filling.slices.push(slice);
    this.#filling.sizeBytes += slice.length;
    if (this.#filling.sizeBytes >= BATCH_SIZE_BYTES) this.#handOver();
  }

  #handOver(): void {
    this.#waiting.push(this.#filling);
    this.#waitingBytes += this.#filling.sizeBytes;
    this.#filling = { slices: [], sizeBytes: 0 };
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#call.body.pause();
    this.#tell();
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** The first reason given counts. What waits is still delivered after a good end, and nothing after a bad one. */
  #end(fault: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#stallTimer);
    this.#fault = fault;
    if (fault !== undefined) {
      this.#call.cancel();
      this.#lost.abort(fault);
    } else if (this.#filling.sizeBytes > 0) this.#handOver();
    this.#tell();
  }

  #shortfall(): EtcdsafeError | undefined {
    const { whole, blobBytes } = this.#reader;
    if (whole && blobBytes === this.totalSizeBytes) return undefined;
    return new EtcdsafeError("ETCD_STREAM_CUT", `${this.#endpoint}: the snapshot stream ended as if complete ${this.#sofar()}`);
  }

  #cutError(fault: unknown): unknown {
    if (this.#options.signal.aborted) return this.#options.signal.reason;
    if (fault instanceof GrpcStatusError && this.#reader.blobBytes === 0) return refusal(this.#endpoint, METHOD, fault);
    return new EtcdsafeError("ETCD_STREAM_CUT", `${this.#endpoint}: the snapshot stream broke off ${this.#sofar()}: ${(fault as Error).message}`, {
      cause: fault,
    });
  }

  #stallError(): EtcdsafeError {
    return stalled(this.#endpoint, this.#call.body.isPaused() ? READER_SILENT : MEMBER_SILENT, this.#options.stallLimitMs, this.#sofar());
  }

  #sofar(): string {
    const { databaseSizeBytes, blobBytes } = this.#reader;
    return databaseSizeBytes === undefined ? BEFORE_ANYTHING : `after ${blobBytes} of ${this.totalSizeBytes} bytes`;
  }
}

const MEMBER_SILENT = "the member sent nothing";
const READER_SILENT = "nobody took what the member had sent";
const BEFORE_ANYTHING = "before the first chunk";

function stalled(endpoint: string, what: string, stallLimitMs: number, when: string): EtcdsafeError {
  return new EtcdsafeError("ETCD_STREAM_STALLED", `${endpoint}: ${what} for ${stallLimitMs} ms, ${when} of the snapshot`);
}
