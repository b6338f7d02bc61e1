import { expect, test } from "vitest";
import { runInWorker } from "../../src/bytes/worker.ts";
import { EtcdsafeError, FormatError } from "../../src/errors.ts";
import type { SampleInput } from "./workers/sample-worker.ts";

const sample = new URL("./workers/sample-worker", import.meta.url);
const { signal } = new AbortController();
const run = (input: SampleInput, options = {}): Promise<unknown> => runInWorker<SampleInput, unknown>(sample, input, { signal, ...options });

test("worker: gives back what the module's run returns, and reports progress on the way", async () => {
  const progress: number[] = [];
  const output = await run({ what: "double", value: 2n ** 60n }, { onProgress: (doneBytes: number) => progress.push(doneBytes) });
  expect(output).toEqual({ value: 2n ** 61n, size: undefined });
  expect(progress).toEqual([1, 2]);
});

test("worker: moves what is to be transferred", async () => {
  const bytes = new Uint8Array(1000);
  expect(await run({ what: "double", bytes }, { transfer: [bytes.buffer] })).toEqual({ value: 0n, size: 1000 });
  expect(bytes.length).toBe(0);
});

test("worker: an EtcdsafeError arrives as one, with its code and hint", async () => {
  const error = await run({ what: "refuse" }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(EtcdsafeError);
  expect(error).toMatchObject({ code: "SNAPSHOT_EMPTY", message: "nothing in it", hint: "fill it" });
});

test("worker: a FormatError arrives with its offset, once in the text", async () => {
  const error = await run({ what: "format" }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(FormatError);
  expect(error).toMatchObject({ code: "BBOLT_PAGE_INVALID", message: "a bad page at byte 4096", offset: 4096 });
});

test("worker: any other error keeps its message", async () => {
  await expect(run({ what: "crash" })).rejects.toThrow("an ordinary fault");
});

test("worker: a thread that ends without an answer is an error", async () => {
  await expect(run({ what: "exit" })).rejects.toThrow(/a worker thread ended early, with code 3/);
});

test("worker: a module that cannot be loaded is an error", async () => {
  await expect(runInWorker(new URL("./workers/none", import.meta.url), {}, { signal })).rejects.toThrow(/Cannot find module/);
});

test("worker: aborting reaches a busy thread, and rejects with the reason", async () => {
  const controller = new AbortController();
  const waiting = run({ what: "wait" }, { signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) });
  await expect(waiting).rejects.toThrow("enough");
});

test("worker: starts nothing for a signal that is aborted already", async () => {
  await expect(run({ what: "wait" }, { signal: AbortSignal.abort(new Error("never mind")) })).rejects.toThrow("never mind");
});
