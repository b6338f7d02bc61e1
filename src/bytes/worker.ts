// The only maker of worker threads: long synchronous work (walking a database, writing one) must not hold up the thread that serves.
// A worker module exports `run(input, context)`, synchronous or not; one thread runs it once and ends.
import { type Transferable, Worker } from "node:worker_threads";
import { type ErrorCode, EtcdsafeError, FormatError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";

export interface WorkerContext {
  /** Whether whoever asked for the work has given it up. Ask at least every few megabytes, then clean up and throw. */
  cancelled(): boolean;
  progress(doneBytes: number): void;
}

export interface WorkerModule<I, O> {
  run(input: I, context: WorkerContext): O | Promise<O>;
}

export interface WorkerOptions extends CallOptions {
  onProgress?(doneBytes: number): void;
  /** Parts of the input that move to the worker instead of being copied. */
  readonly transfer?: readonly Transferable[];
}

/** What the worker's main module (worker-main.ts) is started with. */
export interface WorkerStart {
  readonly moduleUrl: string;
  readonly input: unknown;
  /** One word, 1 when cancelled: it crosses to a thread that is too busy for messages. */
  readonly cancelled: SharedArrayBuffer;
}

export type WorkerMessage = { readonly progress: number } | { readonly output: unknown } | { readonly thrown: ThrownValue };

/** An error as it crosses threads: structured cloning would make a plain Error of an EtcdsafeError. */
export type ThrownValue =
  | { readonly code: ErrorCode; readonly message: string; readonly hint: string; readonly offset: number | undefined }
  | { readonly message: string; readonly stack: string | undefined };

/** Sources in a checkout end in .ts, built ones in .js; nothing rewrites URLs. */
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/**
 * Runs a module in a thread of its own. `moduleUrl` lacks its extension: `new URL("./check-worker", import.meta.url)`. Input and output are
 * cloned. Rejects with what `run` threw, EtcdsafeErrors as such; with the signal's reason, after the worker has cleaned up, when aborted.
 */
export async function runInWorker<I, O>(moduleUrl: URL, input: I, options: WorkerOptions): Promise<O> {
  options.signal.throwIfAborted();
  const cancelled = new SharedArrayBuffer(4);
  const start: WorkerStart = { moduleUrl: moduleUrl.href + EXTENSION, input, cancelled };
  const worker = new Worker(new URL(`./worker-main${EXTENSION}`, import.meta.url), {
    workerData: start,
    transferList: [...(options.transfer ?? [])],
    execArgv: [],
  });
  const cancel = () => Atomics.store(new Int32Array(cancelled), 0, 1);
  options.signal.addEventListener("abort", cancel);
  try {
    const output = await outcomeOf(worker, options);
    options.signal.throwIfAborted();
    return output as O;
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  } finally {
    options.signal.removeEventListener("abort", cancel);
    await worker.terminate();
  }
}

function outcomeOf(worker: Worker, { onProgress }: WorkerOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if ("progress" in message) onProgress?.(message.progress);
      else if ("output" in message) resolve(message.output);
      else reject(errorOf(message.thrown));
    });
    worker.on("error", (error) => reject(new EtcdsafeError("INTERNAL", `a worker thread failed: ${(error as Error).message}`, { cause: error })));
    // Comes after the message with the outcome, if there is one; then it changes nothing.
    worker.on("exit", (code) => reject(new EtcdsafeError("INTERNAL", `a worker thread ended early, with code ${code}`)));
  });
}

function errorOf(thrown: ThrownValue): Error {
  if (!("code" in thrown)) return Object.assign(new Error(thrown.message), { stack: thrown.stack });
  const { code, message, hint, offset } = thrown;
  if (offset === undefined) return new EtcdsafeError(code, message, { hint });
  // FormatError's constructor adds the offset to the text, which this message has already.
  return new FormatError(code, message.replace(new RegExp(` at byte ${offset}$`), ""), offset, { hint });
}
