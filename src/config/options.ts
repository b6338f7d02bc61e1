// Every option, once; the rows about etcd and about restored members are in files of their own. From this table come the flags, the variables
// ETCDSAFE_<OPTION>, the keys of the configuration file, `config show` and docs/cli.md.
// Names are mechanical: `--check-members` is ETCDSAFE_CHECK_MEMBERS and the key `check-members`.
import { AGENT_OPTIONS } from "./agent-options.ts";
import { BUNDLE_OPTIONS } from "./bundle-options.ts";
import { COPY_OPTIONS } from "./copy-options.ts";
import { ENCRYPTION_OPTIONS } from "./encryption-options.ts";
import { ETCD_OPTIONS } from "./etcd-options.ts";
import { LIST_OPTIONS } from "./list-options.ts";
import { type CommandName, LONGEST_TIMER, type OptionSpec, STORAGE_GROUPS, type ValueOf } from "./option.ts";
import { POLICY_OPTIONS } from "./policy-options.ts";
import { REPORTING_OPTIONS } from "./reporting-options.ts";
import { RESTORE_OPTIONS } from "./restore-options.ts";
import { RETENTION_OPTIONS } from "./retention-options.ts";
import { STORAGE_OPTIONS, STORED } from "./storage-options.ts";
import { VERIFY_OPTIONS } from "./verify-options.ts";

const ALL: readonly CommandName[] = [
  "save",
  "list",
  "show",
  "verify",
  "inspect",
  "restore",
  "copy",
  "prune",
  "pin",
  "unpin",
  "repo init",
  "repo adopt",
  "repo policy",
  "repo rekey",
  "repo validate",
  "repo check",
  "repo gc",
  "config show",
  "config validate",
  "agent",
  "health",
  "version",
];
const ONE_CLUSTER: readonly CommandName[] = ["save", "list", "show", "verify", "restore", "copy", "prune", "pin", "unpin", "repo adopt", "repo rekey"];

export const OPTIONS = {
  repository: {
    kind: "location",
    placeholder: "URL",
    group: "Repository",
    several: true,
    commands: STORED,
    description:
      "Where backups are kept: a directory, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azblob://ACCOUNT/CONTAINER/PREFIX. save, verify: may be repeated, or be a list in the configuration file, to store the same backup in several repositories, or to verify in each; all are reached by the same options.",
  },
  cluster: {
    kind: "string",
    placeholder: "NAME",
    default: "default",
    pattern: { regex: /^[a-z0-9][a-z0-9._-]{0,62}$/, is: "a cluster name: 1 to 63 of a-z, 0-9, dot, underscore and hyphen, a letter or digit first" },
    group: "Repository",
    commands: ONE_CLUSTER,
    description: "The name that the repository keeps this cluster's backups under.",
  },
  "all-clusters": {
    kind: "boolean",
    default: "false",
    group: "Repository",
    commands: ["list", "show", "verify", "copy"],
    description: "Every cluster of the repository.",
  },

  ...STORAGE_OPTIONS,
  ...ENCRYPTION_OPTIONS,

  ...ETCD_OPTIONS,

  member: {
    kind: "string",
    placeholder: "MEMBER",
    group: "What to do",
    commands: ["save", "restore"],
    defaultText: "save: the healthy voter that lags least",
    description:
      "restore --from-plan: write this member's directory, given by name. save: save from this member, given by name, id or client URL, and from no other; if others hold other data and no majority the same, the backup is stored as suspect, and the exit code is 6.",
  },
  output: {
    kind: "path",
    placeholder: "FILE|-",
    group: "What to do",
    commands: ["save"],
    description:
      "Write a plain snapshot, as etcdutl takes it, to a file or to standard output instead of a repository. Its directory must be there. A file of that name is replaced at the end, as etcdctl does; a save that was killed leaves `FILE.<random>.part`.",
  },
  "no-spool": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["save"],
    description: "Pass the snapshot on without a local copy. Its structure is not checked then, nor are members compared: the backup's state is partial.",
  },
  "spool-dir": {
    kind: "path",
    placeholder: "DIR",
    group: "What to do",
    commands: ["save", "verify"],
    defaultText: "the system's temporary directory",
    description: "Where the local copy goes of a snapshot that is to be looked into; best not on etcd's own disk. `save --output` makes none.",
  },
  "stall-limit": {
    kind: "duration",
    placeholder: "DURATION",
    default: "30s",
    atLeast: "1s",
    atMost: LONGEST_TIMER,
    group: "What to do",
    commands: ["save"],
    description: "Give up when the snapshot's stream has not moved for this long, so that etcd's read transaction is not held.",
  },
  "check-members": {
    kind: "enum",
    choices: ["all", "others", "none"],
    placeholder: "WHICH",
    default: "all",
    group: "What to do",
    commands: ["save"],
    description: "Whose HashKV to compare the snapshot with: all members', all but the serving one's, or none's.",
  },
  "check-members-every": {
    kind: "duration",
    placeholder: "DURATION",
    group: "What to do",
    commands: ["save"],
    defaultText: "at each save",
    description: "Compare only if no stored backup did so within this time and found none that differs.",
  },
  deadline: {
    kind: "duration",
    placeholder: "DURATION",
    atLeast: "1ms",
    atMost: LONGEST_TIMER,
    etcdctl: "ETCDCTL_COMMAND_TIMEOUT",
    group: "What to do",
    commands: ["save"],
    defaultText: "none",
    description:
      "Give the whole save up after this long, --verify and --prune included: where the backup is stored by then, it stays, and the exit code is 3. For a snapshot, etcdctl understands its command timeout as this.",
  },

  ...BUNDLE_OPTIONS,

  level: {
    kind: "enum",
    choices: ["stored-bytes", "hash", "structure"],
    placeholder: "LEVEL",
    default: "structure",
    group: "What to do",
    commands: ["verify"],
    description:
      "How deep to look: the stored bytes, the unpacked bytes' hash, or the database's structure, rows and HashKV too. Of encrypted backups without any key, the default is the stored bytes.",
  },
  verify: {
    kind: "enum",
    choices: ["stored-bytes", "hash", "structure"],
    placeholder: "LEVEL",
    group: "What to do",
    commands: ["save"],
    defaultText: "not at all",
    description:
      "Once the backup is stored, read it back from the repository and look at it as deep as `verify --level` does. Of an encrypted one, all but the stored bytes needs the key to open it. One that is found damaged is exit code 6, and nothing is pruned.",
  },
  all: { kind: "boolean", default: "false", group: "What to do", commands: ["verify", "repo rekey"], description: "Every backup of the cluster." },

  ...VERIFY_OPTIONS,
  ...COPY_OPTIONS,
  ...LIST_OPTIONS,
  ...RETENTION_OPTIONS,

  ...REPORTING_OPTIONS,
  ...AGENT_OPTIONS,
  ...RESTORE_OPTIONS,
  ...POLICY_OPTIONS,

  config: {
    kind: "path",
    placeholder: "FILE",
    group: "Configuration and output",
    commands: ALL,
    description: "YAML file whose keys are the names of options.",
  },
  format: {
    kind: "enum",
    short: "o",
    choices: ["text", "json"],
    placeholder: "FORMAT",
    default: "text",
    group: "Configuration and output",
    commands: ALL,
    description: "json prints one document on standard output.",
  },
  "log-format": {
    kind: "enum",
    choices: ["text", "json"],
    placeholder: "FORMAT",
    defaultText: "that of --format",
    group: "Configuration and output",
    commands: ALL,
    description: "Of all that goes to standard error: log, progress, the error; json prints one object per line.",
  },
  "log-level": {
    kind: "enum",
    choices: ["debug", "info", "warn", "error"],
    placeholder: "LEVEL",
    default: "info",
    group: "Configuration and output",
    commands: ALL,
    description: "The least severe events to print.",
  },
  "termination-log": {
    kind: "path",
    placeholder: "FILE",
    default: "/dev/termination-log",
    group: "Configuration and output",
    commands: ALL.filter((name) => name !== "health"),
    description: "Where the error that ended the command goes as well, if there is such a file: Kubernetes shows it as the container's message.",
  },
} as const satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;
export type OptionValue<Name extends OptionName> = ValueOf<(typeof OPTIONS)[Name]>;

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** The table's row, as the general type. */
export function optionSpec(name: OptionName): OptionSpec {
  return OPTIONS[name];
}

/** Whether it says how a repository's store is reached and used: whatever opens the repository needs the same. */
export function isAboutStores(name: OptionName): boolean {
  return (STORAGE_GROUPS as readonly string[]).includes(optionSpec(name).group);
}

/** ETCDSAFE_CHECK_MEMBERS for `check-members`. */
export function variableOf(name: OptionName): string {
  return `ETCDSAFE_${name.toUpperCase().replaceAll("-", "_")}`;
}

export function optionsOf(command: CommandName): readonly OptionName[] {
  const takesAll = command === "config show" || command === "config validate";
  return OPTION_NAMES.filter((name) => takesAll || isOptionOf(name, command));
}

/** Whether the command does something with it. */
export function isOptionOf(name: OptionName, command: CommandName): boolean {
  const { commands } = optionSpec(name);
  if (commands.includes(command)) return true;
  return command === "agent" && DONE_BY_AGENT.some((each) => commands.includes(each)) && !OF_ONE_RUN.includes(name);
}

/** What an agent does, with the same options. */
export const DONE_BY_AGENT: readonly CommandName[] = ["save", "verify", "prune"];
/** What only somebody who types a command can mean. */
const OF_ONE_RUN: readonly OptionName[] = [
  "output",
  "member",
  "all",
  "all-clusters",
  "since",
  "junit",
  "plan",
  "yes",
  "yes-remove",
  "clock-is-right",
  "as-of",
  "jitter",
];
