// The retention policy that options say, or else the repository has.
import type { Config } from "../config/config.ts";
import type { OptionName } from "../config/options.ts";
import { EtcdsafeError } from "../errors.ts";
import type { Repository } from "../repository/repository.ts";
import type { RetentionPolicy } from "../repository/retention-policy.ts";

const COUNTS = {
  keepLast: "keep-last",
  keepHourly: "keep-hourly",
  keepDaily: "keep-daily",
  keepWeekly: "keep-weekly",
  keepMonthly: "keep-monthly",
  keepYearly: "keep-yearly",
} as const;
const SPANS = {
  keepWithin: "keep-within",
  keepWithinHourly: "keep-within-hourly",
  keepWithinDaily: "keep-within-daily",
  keepWithinWeekly: "keep-within-weekly",
  keepWithinMonthly: "keep-within-monthly",
  keepWithinYearly: "keep-within-yearly",
  keepPointsWithin: "keep-points-within",
  maxAge: "max-age",
} as const;
/** What keeps and removes nothing by itself. */
const NO_RULES = new Set(["minimum", "timezone"]);
const UNITS_BYTES: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** The options of a policy that were typed. */
export function typedRules(config: Config): OptionName[] {
  const names: readonly OptionName[] = [...Object.values(COUNTS), ...Object.values(SPANS), "keep-tag", "minimum", "max-bytes", "timezone"];
  return names.filter((name) => config.origin(name).kind === "flag");
}

/** All or nothing: options that say a rule replace the repository's policy. */
export function policyFor(
  config: Config,
  { file }: Pick<Repository, "file">,
): { readonly policy: RetentionPolicy; readonly policyFrom: "options" | "repository" } {
  const policy = policyOf(config);
  const given = Object.keys(policy);
  if (file.policy.retention !== undefined && given.length > 0 && given.every((key) => NO_RULES.has(key)))
    throw new EtcdsafeError("USAGE", "options say how to count, and no rule; the repository's policy has rules, and options replace all of it", {
      hint: "Give the rules as well, or none of --minimum and --timezone; `etcdsafe repo policy` shows what is stored.",
    });
  if (given.length > 0) return { policy, policyFrom: "options" };
  return { policy: file.policy.retention ?? {}, policyFrom: "repository" };
}

/** What options say; empty where they say nothing. */
export function policyOf(config: Config): RetentionPolicy {
  const given = <Key extends string, Value>(key: Key, value: Value | undefined) => (value === undefined ? {} : { [key]: value });
  const counts = Object.entries(COUNTS).map(([key, name]) => given(key, countOf(config.get(name))));
  const spans = Object.entries(SPANS).map(([key, name]) => given(key, config.get(name)));
  return Object.assign(
    {},
    ...counts,
    ...spans,
    given("keepTags", tagsOf(config)),
    given("minimum", config.get("minimum")),
    given("maxSizeBytes", sizeOf(config.get("max-bytes"))),
    given("timezone", config.get("timezone")),
  );
}

function countOf(text: string | undefined): number | "unlimited" | undefined {
  return text === undefined || text === "unlimited" ? text : Number(text);
}

function tagsOf(config: Config): readonly string[] | undefined {
  const tags = config.get("keep-tag");
  const nameless = tags?.find((tag) => tag === "" || tag.startsWith("="));
  if (nameless === undefined) return tags;
  throw new EtcdsafeError("USAGE", `--keep-tag: ${JSON.stringify(nameless)} names no tag`, { hint: "Give NAME, or NAME=VALUE." });
}

function sizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit = ""] = /^(\d+)(.*)$/.exec(text)!;
  return Number(digits) * UNITS_BYTES[unit]!;
}
