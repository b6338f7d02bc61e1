import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { retried, ThrottledError } from "../../src/storage/retry.ts";
import { expectThrown } from "../support/failures.ts";

const { signal } = new AbortController();

test("retry: waits as long as a store asks, and not for ever", async () => {
  const { options, waits } = recorded(0.5);
  const throttled = (waitMs: number | undefined) => retried(() => Promise.reject(new ThrottledError("slow down", { waitMs })), { ...options, triesMax: 2 });
  for (const waitMs of [3_000, 3_600_000, undefined]) await expectThrown("STORAGE_THROTTLED", () => throttled(waitMs), /slow down/);
  expect(waits).toEqual([3_100, 120_100, 100]);
});

test("retry: a store that cannot be reached is asked again", async () => {
  const { options, waits } = recorded(0.5);
  const unreachable = () => Promise.reject(new EtcdsafeError("STORAGE_UNREACHABLE", "gone"));
  await expectThrown("STORAGE_UNREACHABLE", () => retried(unreachable, { ...options, triesMax: 3 }), /gone/);
  expect(waits).toEqual([100, 200]);
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

/** Options whose waits are written down and not waited for; `jitter` is the random number, from 0 to 1. */
function recorded(jitter: number) {
  const waits: number[] = [];
  const random = Buffer.alloc(4);
  random.writeUInt32BE(jitter * 2 ** 32);
  const runtime = { randomBytes: () => random, sleep: async (delayMs: number) => void waits.push(delayMs) };
  return { waits, options: { triesMax: 5, runtime, signal } };
}
