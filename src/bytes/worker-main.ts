// First module of every worker thread: loads the module that does the work, and sends back what comes of it.
import { parentPort, workerData } from "node:worker_threads";
import { EtcdsafeError, FormatError } from "../errors.ts";
import type { ThrownValue, WorkerContext, WorkerMessage, WorkerModule, WorkerStart } from "./worker.ts";

const { moduleUrl, input, cancelled } = workerData as WorkerStart;
const flag = new Int32Array(cancelled);
const context: WorkerContext = {
  cancelled: () => Atomics.load(flag, 0) !== 0,
  progress: (doneBytes) => send({ progress: doneBytes }),
};

try {
  const { run } = (await import(moduleUrl)) as WorkerModule<unknown, unknown>;
  send({ output: await run(input, context) });
} catch (error) {
  send({ thrown: thrownValue(error) });
}

function send(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

function thrownValue(error: unknown): ThrownValue {
  if (error instanceof EtcdsafeError) {
    const { code, message, hint } = error;
    return { code, message, hint, offset: error instanceof FormatError ? error.offset : undefined };
  }
  return error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error), stack: undefined };
}
