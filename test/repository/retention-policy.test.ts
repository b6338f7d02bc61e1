import { expect, test } from "vitest";
import { isZeroSpan, parseSpan } from "../../src/repository/retention-policy.ts";
import { retentionPolicySchema } from "../../src/repository/schemas/policy.ts";
import { expectThrown } from "../support/failures.ts";

test.each([
  ["7d12h", { years: 0, months: 0, days: 7, hours: 12 }],
  ["1y6m7d12h", { years: 1, months: 6, days: 7, hours: 12 }],
  ["36h", { years: 0, months: 0, days: 0, hours: 36 }],
  ["2m", { years: 0, months: 2, days: 0, hours: 0 }],
])("retention policy: reads the duration %s", (text, span) => {
  expect(parseSpan(text)).toEqual(span);
  expect(retentionPolicySchema.safeParse({ maxAge: text }).success).toBe(true);
});

test.each(["", "7", "d", "12h7d", "7d7d", "1w", "-1d", "1.5d", "7D", " 7d", "7d "])("retention policy: %j is no duration", async (text) => {
  const error = await expectThrown("CONFIG_INVALID", () => parseSpan(text), /^".*" is not a duration like 7d12h$/);
  expect(error.hint).toMatch(/^Years, months, days and hours, in that order/);
  expect(retentionPolicySchema.safeParse({ maxAge: text }).success).toBe(false);
});

test("retention policy: a duration of nothing is known as one", () => {
  expect(["0h", "0y0m0d0h", "0d"].map((text) => isZeroSpan(parseSpan(text)))).toEqual([true, true, true]);
  expect(["1h", "1d", "1m", "1y"].map((text) => isZeroSpan(parseSpan(text)))).toEqual([false, false, false, false]);
});
