import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { withDeadline } from "../../src/cli/deadline.ts";

const never = new AbortController().signal;

test("deadline: work that ends in time is left alone", async () => {
  expect(await withDeadline(10_000, never, "late", async () => 5)).toBe(5);
  expect(await withDeadline(undefined, never, "late", async (signal) => signal)).toBe(never);
});

test("deadline: work that takes longer is stopped, and fails with the deadline whatever it says", async () => {
  const work = async (signal: AbortSignal) => {
    await sleep(10_000, undefined, { signal }).catch(() => {
      throw new Error("connection lost");
    });
  };
  await expect(withDeadline(20, never, "the save took longer than 20ms", work)).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
    message: "the save took longer than 20ms",
  });
});

test("deadline: other failures stay what they are", async () => {
  const fails = async () => {
    throw new Error("no space");
  };
  await expect(withDeadline(10_000, never, "late", fails)).rejects.toThrow("no space");
  await expect(withDeadline(10_000, AbortSignal.abort(new Error("interrupted")), "late", async (signal) => signal.throwIfAborted())).rejects.toThrow(
    "interrupted",
  );
});

test("deadline: what was stopped before the limit, and ends behind it, was not too slow", async () => {
  const endsLate = async (signal: AbortSignal) => {
    await sleep(60);
    signal.throwIfAborted();
  };
  await expect(withDeadline(20, AbortSignal.abort(new Error("interrupted")), "late", endsLate)).rejects.toThrow("interrupted");
});
