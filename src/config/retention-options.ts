// Rows of the table of options: what retention keeps, and what `prune` may do. Their meaning is restic's, as far as that has them.
import type { OptionSpec } from "./option.ts";

const COUNT = { regex: /^(\d{1,9}|unlimited)$/, is: "a count, or unlimited" };
/** As src/repository/schemas/policy.ts. */
const SPAN = { regex: /^(?=\d)(\d{1,6}y)?(\d{1,6}m)?(\d{1,6}d)?(\d{1,6}h)?$/, is: "years, months, days and hours in that order, like 7d12h or 1y6m" };
const COMMANDS = ["prune", "save", "repo policy"] as const;

const counted = (description: string) =>
  ({ kind: "string", placeholder: "COUNT", pattern: COUNT, group: "Retention", commands: COMMANDS, defaultText: "none", description }) as const;
const newestOf = (unit: string) => counted(`Keep the newest backup of each of the last so many ${unit} that have one; of each with \`unlimited\`.`);

const spanned = (description: string, defaultText: "none" | "all" = "none") =>
  ({ kind: "string", placeholder: "SPAN", pattern: SPAN, group: "Retention", commands: COMMANDS, defaultText, description }) as const;
const within = (what: string) => spanned(`Keep ${what} that was made within this span before the newest: 7d12h, 1y6m (m: months).`);

export const RETENTION_OPTIONS = {
  "keep-last": counted(
    "Keep the newest so many backups. Rules count for each timeline by itself, and for good backups apart from suspect, partial and damaged ones.",
  ),
  "keep-hourly": newestOf("hours"),
  "keep-daily": newestOf("days"),
  "keep-weekly": newestOf("weeks (ISO 8601, from Monday)"),
  "keep-monthly": newestOf("months"),
  "keep-yearly": newestOf("years"),
  "keep-within": within("every backup"),
  "keep-within-hourly": within("the newest backup of each hour"),
  "keep-within-daily": within("the newest backup of each day"),
  "keep-within-weekly": within("the newest backup of each week"),
  "keep-within-monthly": within("the newest backup of each month"),
  "keep-within-yearly": within("the newest backup of each year"),
  "keep-tag": {
    kind: "list",
    placeholder: "TAG,…",
    group: "Retention",
    commands: COMMANDS,
    defaultText: "none",
    description: "Keep backups with any of these tags: NAME=VALUE, or NAME whatever its value.",
  },
  "keep-points-within": spanned("Remove recorded segments that no point of this span before now needs; without it they all stay.", "all"),
  minimum: {
    kind: "count",
    placeholder: "COUNT",
    group: "Retention",
    commands: COMMANDS,
    defaultText: "1",
    description: "Keep the newest so many good backups whatever else the policy says.",
  },
  "max-age": spanned("Remove what is older than this, also where a rule keeps it. The newest good backups, pinned and locked ones always stay."),
  "max-bytes": {
    kind: "string",
    placeholder: "SIZE",
    pattern: { regex: /^\d{1,15}([KMGT]iB)?$/, is: "a size like 500GiB, or bytes" },
    group: "Retention",
    commands: COMMANDS,
    defaultText: "none",
    description: "Remove the oldest until all that is stored takes no more than this, with the same exceptions.",
  },
  timezone: {
    kind: "string",
    placeholder: "ZONE",
    group: "Retention",
    commands: COMMANDS,
    defaultText: "UTC",
    description: "Where hours, days, weeks, months and years begin: a name like Europe/Berlin.",
  },
  yes: {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["prune"],
    description: "Remove what the plan says. Without it, the plan is shown, and nothing is removed.",
  },
  "yes-remove": {
    kind: "count",
    placeholder: "COUNT",
    group: "What to do",
    commands: ["prune", "save"],
    defaultText: "none",
    description:
      "Without a terminal, a prune that would remove more than half of the backups, or more than its last ten runs together, is refused unless this says that it may remove so many.",
  },
  "clock-is-right": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["prune", "save"],
    description: "Count ages from the clock as it is, although the store's, a member's, or the times of the backups say that it is wrong.",
  },
  prune: {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["save"],
    description:
      "Once the new backup is stored, and proven or unconfirmed, apply the policy that options or the repository have, as `prune --yes` does. A prune that fails leaves the save done, with exit code 3.",
  },
  reason: {
    kind: "string",
    placeholder: "TEXT",
    pattern: { regex: /^\P{C}{1,1000}$/u, is: "a line of text" },
    group: "What to do",
    commands: ["pin"],
    description: "Why it is kept, for who finds the pin.",
  },
} as const satisfies Record<string, OptionSpec>;
