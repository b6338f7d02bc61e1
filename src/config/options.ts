// Every option, once. From this table come the flags, the variables ETCDSAFE_<OPTION>, the keys of the configuration file, `config show` and docs/cli.md.
// Names are mechanical: `--check-members` is ETCDSAFE_CHECK_MEMBERS and the key `check-members`.
import type { CommandName, OptionSpec, ValueOf } from "./option.ts";

const ALL: readonly CommandName[] = [
  "save",
  "list",
  "show",
  "verify",
  "inspect",
  "restore",
  "repo init",
  "repo adopt",
  "config show",
  "config validate",
  "version",
];
const STORED: readonly CommandName[] = ["save", "list", "show", "verify", "restore", "repo init", "repo adopt"];
const ONE_CLUSTER: readonly CommandName[] = ["save", "list", "show", "verify", "restore", "repo adopt"];
const CONNECTED: readonly CommandName[] = ["save", "repo adopt"];
/** Longer waits than these a timer of Node cannot hold. */
const LONGEST_TIMER = "24d";

export const OPTIONS = {
  repository: {
    kind: "location",
    placeholder: "URL",
    group: "Repository",
    commands: STORED,
    description: "Where backups are kept: a directory, or file:// and its path.",
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
    commands: ["list", "show", "verify"],
    description: "Look at every cluster of the repository.",
  },

  endpoints: {
    kind: "list",
    placeholder: "URL,…",
    default: "127.0.0.1:2379",
    etcdctl: "ETCDCTL_ENDPOINTS",
    group: "etcd",
    commands: CONNECTED,
    description: "Client URLs of etcd's members. Without a scheme: TLS where a TLS option is given, else plain text, as etcdctl does.",
  },
  cacert: {
    kind: "path",
    placeholder: "FILE",
    etcdctl: "ETCDCTL_CACERT",
    group: "etcd",
    commands: CONNECTED,
    defaultText: "the system's authorities",
    description: "Certificate authorities that the members' certificates are checked against, PEM.",
  },
  cert: { kind: "path", placeholder: "FILE", etcdctl: "ETCDCTL_CERT", group: "etcd", commands: CONNECTED, description: "Client certificate, PEM." },
  key: { kind: "path", placeholder: "FILE", etcdctl: "ETCDCTL_KEY", group: "etcd", commands: CONNECTED, description: "Key of the client certificate, PEM." },
  user: {
    kind: "string",
    placeholder: "NAME",
    etcdctl: "ETCDCTL_USER",
    passwordAfterColon: true,
    group: "etcd",
    commands: CONNECTED,
    description: "etcd user. In the environment, but not in arguments, NAME:PASSWORD is understood as well.",
  },
  "password-file": {
    kind: "secret-file",
    placeholder: "FILE",
    group: "etcd",
    commands: CONNECTED,
    description: "File that holds the user's password; a newline at its end is not part of it.",
  },
  password: {
    kind: "secret",
    etcdctl: "ETCDCTL_PASSWORD",
    group: "etcd",
    commands: CONNECTED,
    description: "The user's password; only as an environment variable, since arguments are visible to every user of the host.",
  },
  "insecure-transport": {
    kind: "boolean",
    default: "true",
    etcdctl: "ETCDCTL_INSECURE_TRANSPORT",
    group: "etcd",
    commands: CONNECTED,
    description: "Whether endpoints without a scheme may be spoken to in plain text; false demands TLS of all.",
  },
  "insecure-skip-tls-verify": {
    kind: "boolean",
    default: "false",
    etcdctl: "ETCDCTL_INSECURE_SKIP_TLS_VERIFY",
    group: "etcd",
    commands: CONNECTED,
    description: "Accept any server certificate. For tests only: whoever sits in between can hand over any data as a backup.",
  },
  "dial-timeout": {
    kind: "duration",
    placeholder: "DURATION",
    default: "2s",
    atLeast: "1ms",
    atMost: LONGEST_TIMER,
    etcdctl: "ETCDCTL_DIAL_TIMEOUT",
    group: "etcd",
    commands: CONNECTED,
    description: "Limit of each attempt to connect.",
  },
  "command-timeout": {
    kind: "duration",
    placeholder: "DURATION",
    default: "5s",
    atLeast: "1ms",
    atMost: LONGEST_TIMER,
    etcdctl: "ETCDCTL_COMMAND_TIMEOUT",
    group: "etcd",
    commands: CONNECTED,
    description: "Limit of each short request, such as a status.",
  },

  member: {
    kind: "string",
    placeholder: "MEMBER",
    group: "What to do",
    commands: ["save"],
    defaultText: "the healthy voter that lags least",
    description: "Save from this member, given by name, id or client URL, and from no other.",
  },
  output: {
    kind: "path",
    placeholder: "FILE|-",
    group: "What to do",
    commands: ["save"],
    description: "Write a plain snapshot, as etcdutl takes it, to a file or to standard output instead of a repository.",
  },
  "no-spool": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["save"],
    description: "Pass the snapshot on without a local copy. Its structure is not checked then: the backup's state is partial.",
  },
  "spool-dir": {
    kind: "path",
    placeholder: "DIR",
    group: "What to do",
    commands: ["save", "verify"],
    defaultText: "the system's temporary directory",
    description: "Where the local copy goes of a snapshot that is to be looked into; best not on etcd's own disk.",
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
    description: "Compare only if no stored backup did so within this time.",
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
    description: "Give the whole save up after this long. For a snapshot, etcdctl understands its command timeout as this.",
  },

  level: {
    kind: "enum",
    choices: ["stored-bytes", "hash", "structure"],
    placeholder: "LEVEL",
    default: "structure",
    group: "What to do",
    commands: ["verify"],
    description: "How deep to look: the stored bytes, the unpacked bytes' hash, or the database's structure, rows and HashKV too.",
  },
  all: { kind: "boolean", default: "false", group: "What to do", commands: ["verify"], description: "Verify every backup of the cluster." },

  name: { kind: "string", placeholder: "NAME", default: "default", group: "Members", commands: ["restore"], description: "Name of the member to write." },
  "initial-cluster": {
    kind: "string",
    placeholder: "NAME=URL,…",
    defaultText: "<name>=http://localhost:2380",
    group: "Members",
    commands: ["restore"],
    description: "All members of the new cluster and their peer URLs; a name repeats for each further URL.",
  },
  "initial-cluster-token": {
    kind: "string",
    placeholder: "TOKEN",
    group: "Members",
    commands: ["restore"],
    defaultText: "a new one, where one run writes all members",
    description: "Makes the new cluster's ids, so that no old member can join. The same for all members, and never used before.",
  },
  "initial-advertise-peer-urls": {
    kind: "string",
    placeholder: "URL,…",
    default: "http://localhost:2380",
    group: "Members",
    commands: ["restore"],
    description: "Peer URLs of the member to write; those that --initial-cluster has for it.",
  },
  members: {
    kind: "path",
    placeholder: "FILE",
    group: "Members",
    commands: ["restore"],
    description: "YAML file with every member's name, peer URLs and data directory, in place of the options above.",
  },
  "all-members": {
    kind: "boolean",
    default: "false",
    group: "Members",
    commands: ["restore"],
    description: "Write every member of --members in this run, from one reading of the source.",
  },
  "data-dir": {
    kind: "path",
    placeholder: "DIR",
    group: "Members",
    commands: ["restore"],
    defaultText: "<name>.etcd",
    description: "The member's data directory, absent or empty.",
  },
  "wal-dir": {
    kind: "path",
    placeholder: "DIR",
    group: "Members",
    commands: ["restore"],
    defaultText: "<data-dir>/member/wal",
    description: "The member's WAL directory, absent.",
  },
  "bump-revision": {
    kind: "string",
    placeholder: "N|none",
    default: "none",
    pattern: { regex: /^(none|[1-9]\d{0,18})$/, is: "a number of revisions above 0, or none" },
    group: "What to do",
    commands: ["restore"],
    description:
      "Move the revision ahead by so many, beyond all that clients can have seen; 1000000000 is customary. All before is marked as compacted, so that watches from before fail instead of missing changes.",
  },
  "mark-compacted": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description: "As etcdutl demands it next to --bump-revision, which does it by itself here.",
  },
  "skip-hash-check": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description: "Take a file that has no SHA-256 at its end, such as a copy of member/snap/db. Its structure is checked all the same.",
  },
  "to-snapshot": {
    kind: "path",
    placeholder: "FILE",
    group: "What to do",
    commands: ["restore"],
    description: "Write a plain snapshot that etcdutl takes, instead of a member's directories.",
  },
  plan: { kind: "boolean", default: "false", group: "What to do", commands: ["restore"], description: "Print what would be done, and do nothing." },

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
    default: "text",
    group: "Configuration and output",
    commands: ALL,
    description: "Of log and progress on standard error; json prints one object per line.",
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
} as const satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;
export type OptionValue<Name extends OptionName> = ValueOf<(typeof OPTIONS)[Name]>;

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** The table's row, as the general type. */
export function optionSpec(name: OptionName): OptionSpec {
  return OPTIONS[name];
}

/** ETCDSAFE_CHECK_MEMBERS for `check-members`. */
export function variableOf(name: OptionName): string {
  return `ETCDSAFE_${name.toUpperCase().replaceAll("-", "_")}`;
}

export function optionsOf(command: CommandName): readonly OptionName[] {
  const takesAll = command === "config show" || command === "config validate";
  return OPTION_NAMES.filter((name) => takesAll || optionSpec(name).commands.includes(command));
}
