import { expect, test } from "vitest";
import { inTurns } from "../../src/repository/in-turns.ts";

test("in turns: results are in the order of their items, whichever ends first", async () => {
  const late = (delayMs: number) => new Promise<number>((resolve) => setTimeout(() => resolve(delayMs), delayMs));
  expect(await inTurns([9, 1, 5, 0, 3], late, 2)).toEqual([9, 1, 5, 0, 3]);
  expect(await inTurns([], late)).toEqual([]);
});

test("in turns: a slow one holds up nobody else, and no more than told are at work", async () => {
  const waiting: (() => void)[] = [];
  const begun: number[] = [];
  const all = inTurns(
    [0, 1, 2, 3, 4, 5],
    (item) => {
      begun.push(item);
      return new Promise<void>((resolve) => waiting.push(resolve));
    },
    2,
  );
  for (let turn = 1; turn <= 4; turn++) {
    waiting.splice(1, 1)[0]!(); // Never the first.
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual([0, 1, 2, 3, 4, 5].slice(0, turn + 2));
    expect(waiting).toHaveLength(2);
  }
  for (const end of waiting) end();
  await all;
});

test("in turns: after a failure nothing more is begun", async () => {
  const begun: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    await new Promise((resolve) => setImmediate(resolve));
    if (item === 1) throw new Error("enough");
  };
  await expect(inTurns([0, 1, 2, 3, 4, 5, 6, 7], work, 2)).rejects.toThrow("enough");
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(begun.length).toBeLessThanOrEqual(3);
});
