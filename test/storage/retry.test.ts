import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { retried, ThrottledError } from "../../src/storage/retry.ts";
import { expectThrown } from "../support/failures.ts";

const { signal } = new AbortController();
const unreachable = () => new EtcdsafeError("STORAGE_UNREACHABLE", "gone");

test("retry: waits twice as long at most after each failure, a random part of it", async () => {
  const { options, waits } = recorded(0.5);
  await expectThrown("STORAGE_UNREACHABLE", () => retried(() => Promise.reject(unreachable()), { ...options, triesMax: 10 }), /gone/);
  expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  const { options: lucky, waits: none } = recorded(0);
  await retried((attempt) => (attempt < 3 ? Promise.reject(unreachable()) : Promise.resolve()), lucky);
  expect(none).toEqual([0, 0]);
});

test("retry: gives what a later try gives, and tells each try its number", async () => {
  const attempts: number[] = [];
  const result = await retried(
    async (attempt) => {
      attempts.push(attempt);
      if (attempt < 3) throw unreachable();
      return "there";
    },
    { ...recorded(0.5).options, triesMax: 3 },
  );
  expect(result).toBe("there");
  expect(attempts).toEqual([1, 2, 3]);
});

test("retry: waits as long as a store asks, and not for ever", async () => {
  const { options, waits } = recorded(0.5);
  const throttled = (waitMs: number | undefined) => retried(() => Promise.reject(new ThrottledError("slow down", { waitMs })), { ...options, triesMax: 2 });
  for (const waitMs of [3_000, 3_600_000, undefined]) await expectThrown("STORAGE_THROTTLED", () => throttled(waitMs), /slow down/);
  expect(waits).toEqual([3_100, 120_100, 100]);
});

test("retry: tries nothing again that cannot get better by it", async () => {
  for (const error of [new EtcdsafeError("STORAGE_DENIED", "no"), new EtcdsafeError("STORAGE_CONFLICT", "no"), new TypeError("a fault")]) {
    let tries = 0;
    const step = () => {
      tries++;
      return Promise.reject(error);
    };
    await expect(retried(step, recorded(0).options)).rejects.toBe(error);
    expect(tries).toBe(1);
  }
});

test("retry: ends with the signal's reason, before a try, after one, and while it waits", async () => {
  const { options } = recorded(0);
  const enough = new Error("enough");
  const never = () => Promise.reject(new Error("was tried"));
  await expect(retried(never, { ...options, signal: AbortSignal.abort(enough) })).rejects.toBe(enough);
  const controller = new AbortController();
  const aborting = () => {
    controller.abort(enough);
    return Promise.reject(unreachable());
  };
  await expect(retried(aborting, { ...options, signal: controller.signal })).rejects.toBe(enough);
  const sleeping = { ...options.runtime, sleep: () => Promise.reject(enough) };
  await expect(retried(() => Promise.reject(unreachable()), { ...options, runtime: sleeping })).rejects.toBe(enough);
});

/** Options whose waits are written down and not waited for; `jitter` is the random number, from 0 to 1. */
function recorded(jitter: number) {
  const waits: number[] = [];
  const random = Buffer.alloc(4);
  random.writeUInt32BE(jitter * 2 ** 32);
  const runtime = { randomBytes: () => random, sleep: async (delayMs: number) => void waits.push(delayMs) };
  return { waits, options: { triesMax: 5, runtime, signal } };
}
