import { expect, test } from "vitest";
import { withBackOff } from "../../src/http/back-off.ts";

const { signal } = new AbortController();
const FAILED = new Error("gone");
const anyError = () => 0;

test("back-off: waits twice as long at most after each failure, a random part of it", async () => {
  const { options, waits } = recorded(0.5);
  await expect(withBackOff(() => Promise.reject(FAILED), anyError, { ...options, triesMax: 10 })).rejects.toBe(FAILED);
  expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  const { options: lucky, waits: none } = recorded(0);
  await withBackOff((attempt) => (attempt < 3 ? Promise.reject(FAILED) : Promise.resolve()), anyError, lucky);
  expect(none).toEqual([0, 0]);
});

test("back-off: what an error asks for comes on top of that; one that asks for nothing is the last", async () => {
  const { options, waits } = recorded(0.5);
  const refused = new Error("no");
  const step = (attempt: number) => Promise.reject(attempt < 3 ? FAILED : refused);
  await expect(withBackOff(step, (error) => (error === FAILED ? 3_000 : undefined), options)).rejects.toBe(refused);
  expect(waits).toEqual([3_100, 3_200]);
});

test("back-off: gives what a later try gives, and tells each try its number", async () => {
  const attempts: number[] = [];
  const step = async (attempt: number) => {
    attempts.push(attempt);
    if (attempt < 3) throw FAILED;
    return "there";
  };
  expect(await withBackOff(step, anyError, { ...recorded(0.5).options, triesMax: 3 })).toBe("there");
  expect(attempts).toEqual([1, 2, 3]);
});

test("back-off: ends with the signal's reason, before a try, after one, and while it waits", async () => {
  const { options } = recorded(0);
  const enough = new Error("enough");
  const never = () => Promise.reject(new Error("was tried"));
  await expect(withBackOff(never, anyError, { ...options, signal: AbortSignal.abort(enough) })).rejects.toBe(enough);
  const controller = new AbortController();
  const aborting = () => {
    controller.abort(enough);
    return Promise.reject(FAILED);
  };
  await expect(withBackOff(aborting, anyError, { ...options, signal: controller.signal })).rejects.toBe(enough);
  const sleeping = { ...options.runtime, sleep: () => Promise.reject(enough) };
  await expect(withBackOff(() => Promise.reject(FAILED), anyError, { ...options, runtime: sleeping })).rejects.toBe(enough);
});

/** Options whose waits are written down and not waited for; `jitter` is the random number, from 0 to 1. */
function recorded(jitter: number) {
  const waits: number[] = [];
  const random = Buffer.alloc(4);
  random.writeUInt32BE(jitter * 2 ** 32);
  const runtime = { randomBytes: () => random, sleep: async (delayMs: number) => void waits.push(delayMs) };
  return { waits, options: { triesMax: 5, runtime, signal } };
}
