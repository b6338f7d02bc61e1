// What one option is. The table of all of them is options.ts; how a value is read, by kind, is value.ts.

/** The verbs of the command line, as typed. Their texts are in src/cli/catalogue.ts. */
export type CommandName =
  | "save"
  | "list"
  | "show"
  | "verify"
  | "inspect"
  | "restore"
  | "copy"
  | "repo init"
  | "repo adopt"
  | "repo rekey"
  | "repo validate"
  | "prune"
  | "pin"
  | "unpin"
  | "repo policy"
  | "repo check"
  | "repo gc"
  | "config show"
  | "config validate"
  | "agent"
  | "health"
  | "version";

/** Longer waits than this a timer of Node cannot hold. */
export const LONGEST_TIMER = "24d";

/**
 * How a value is written, and what it becomes:
 * duration (`1m30s`) milliseconds · list (`a,b`) texts · boolean · enum one of `choices` · path a file or directory, relative to the working
 * directory, or to the configuration file that names it · location a path or URL · secret-file a path to a file that holds nothing but the secret ·
 * secret text that only the environment may hold · hook a URL that may be known to no one else, typed only where it does not look so · string anything that `pattern` allows · url of a server, http or https, without credentials ·
 * time RFC 3339, becomes the same in UTC · moment a time, or a duration before now, which stays as it is written · count a whole number · rate (`10MiB`) bytes per second.
 */
export type OptionKind =
  | "string"
  | "list"
  | "duration"
  | "boolean"
  | "enum"
  | "path"
  | "location"
  | "secret-file"
  | "secret"
  | "url"
  | "hook"
  | "time"
  | "moment"
  | "count"
  | "rate";

/** Those about the stores that repositories are in. */
export const STORAGE_GROUPS = ["Storage", "S3", "Google Cloud Storage", "Azure Blob Storage"] as const;
type OptionGroup =
  | "Repository"
  | (typeof STORAGE_GROUPS)[number]
  | "Encryption and signatures"
  | "etcd"
  | "What to do"
  | "Retention"
  | "Members"
  | "Reporting"
  | "Schedules"
  | "HTTP"
  | "Configuration and output";

export interface OptionSpec {
  readonly kind: OptionKind;
  /** What help shows for the value, e.g. FILE. */
  readonly placeholder?: string;
  readonly choices?: readonly string[];
  /** As a user would write it. Without one, the value may be undefined. */
  readonly default?: string;
  /** What happens without a value, where there is no default to show. */
  readonly defaultText?: string;
  /** A string or path is refused unless `regex` matches; `is` completes "X is not …". */
  readonly pattern?: { readonly regex: RegExp; readonly is: string };
  /** Bounds of a duration, count or rate, both allowed. */
  readonly atLeast?: string;
  readonly atMost?: string;
  /** May be given more than once, and as a list in a file: Config.all has all of them, Config.get the first. */
  readonly several?: boolean;
  /** Of a list: its items are paths, from where a path starts, but for those that `but` matches. */
  readonly paths?: { readonly but?: RegExp };
  /** In the environment, a password may follow the value after a colon. */
  readonly passwordAfterColon?: boolean;
  readonly short?: string;
  readonly description: string;
  readonly group: OptionGroup;
  /** The commands that have it; "config show" and "config validate" take every option. */
  readonly commands: readonly CommandName[];
  /** The variable of etcdctl that means the same. */
  readonly etcdctl?: string;
}

type KindValue<Spec extends OptionSpec> = Spec["kind"] extends "boolean"
  ? boolean
  : Spec["kind"] extends "duration" | "count" | "rate"
    ? number
    : Spec["kind"] extends "list"
      ? readonly string[]
      : Spec["kind"] extends "enum"
        ? NonNullable<Spec["choices"]>[number]
        : string;

/** The type of an option's value; durations are milliseconds, rates bytes per second. */
export type ValueOf<Spec extends OptionSpec> = Spec extends { readonly default: string } ? KindValue<Spec> : KindValue<Spec> | undefined;
