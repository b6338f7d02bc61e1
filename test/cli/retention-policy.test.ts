// Which policy holds: that of the options, or the repository's, and what each option says in it.
import { expect, test } from "vitest";
import { policyFor, policyOf } from "../../src/cli/retention-policy.ts";
import { readConfig } from "../../src/config/config.ts";
import type { OptionName } from "../../src/config/options.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { retentionPolicySchema } from "../../src/repository/schemas/policy.ts";
import { expectThrown } from "../support/failures.ts";

async function configOf(options: Partial<Record<OptionName, string>>) {
  const flags = new Map(Object.entries(options).map(([name, text]) => [name as OptionName, [text]]));
  return readConfig({ command: "prune", flags, environment: {} });
}

const repository = (policy: Repository["file"]["policy"]) => ({ file: { policy } }) as unknown as Repository;

test("retention policy: every option has its place in it", async () => {
  const spans = {
    "keep-within": "7d12h",
    "keep-within-hourly": "1d",
    "keep-within-daily": "1m",
    "keep-within-weekly": "2m",
    "keep-within-monthly": "1y",
    "keep-within-yearly": "5y",
  };
  const { config, faults } = await configOf({
    ...{ "keep-last": "3", "keep-hourly": "48", "keep-daily": "30", "keep-weekly": "8", "keep-monthly": "unlimited", "keep-yearly": "0", ...spans },
    ...{ "keep-tag": "a=b,c", "keep-points-within": "7d", minimum: "2", "max-age": "1y6m", "max-bytes": "2GiB", timezone: "Europe/Berlin" },
  });
  expect(faults).toEqual([]);
  const policy = policyOf(config);
  expect(policy).toEqual({
    ...{ keepLast: 3, keepHourly: 48, keepDaily: 30, keepWeekly: 8, keepMonthly: "unlimited", keepYearly: 0, keepWithin: "7d12h", keepWithinHourly: "1d" },
    ...{ keepWithinDaily: "1m", keepWithinWeekly: "2m", keepWithinMonthly: "1y", keepWithinYearly: "5y", keepTags: ["a=b", "c"], keepPointsWithin: "7d" },
    ...{ minimum: 2, maxAge: "1y6m", maxSizeBytes: 2 ** 31, timezone: "Europe/Berlin" },
  });
  expect(Object.keys(policy).sort()).toEqual(Object.keys(retentionPolicySchema.shape).sort());
  expect(retentionPolicySchema.parse(policy)).toEqual(policy);
});

test("retention policy: options that say anything replace the repository's, else that holds", async () => {
  const stored = repository({ retention: { keepDaily: 30, minimum: 3 } });
  expect(policyFor((await configOf({})).config, stored)).toEqual({ policy: { keepDaily: 30, minimum: 3 }, policyFrom: "repository" });
  expect(policyFor((await configOf({ "keep-last": "1" })).config, stored)).toEqual({ policy: { keepLast: 1 }, policyFrom: "options" });
  expect(policyFor((await configOf({})).config, repository({}))).toEqual({ policy: {}, policyFrom: "repository" });
});

test.each([
  ["keep-last", "-1"],
  ["keep-daily", "many"],
  ["keep-within", "12h7d"],
  ["keep-within", "7"],
  ["keep-within", ""],
  ["max-age", "1w"],
  ["max-bytes", "2GB"],
  ["minimum", "x"],
] as const)("retention policy: --%s %j is refused", async (name, text) => {
  expect((await configOf({ [name]: text })).faults).toHaveLength(1);
});

test("retention policy: options that only say how to count replace no policy that is stored", async () => {
  const stored = repository({ retention: { keepDaily: 30 } } as Repository["file"]["policy"]);
  for (const only of [{ minimum: "2" }, { timezone: "UTC" }] as const) {
    const { config } = await configOf(only);
    const error = await expectThrown("USAGE", () => policyFor(config, stored), /no rule; the repository's policy has rules/);
    expect(error.hint).toContain("repo policy");
    expect(policyFor(config, repository({} as Repository["file"]["policy"])).policyFrom).toBe("options");
  }
});
