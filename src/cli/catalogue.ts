// Every command: what help and docs/cli.md say about it, and where its code is. A command is loaded when it runs, so that `--help` loads none.
import type { CommandName } from "../config/option.ts";
import { AGENT_COMMANDS } from "./catalogue-agent.ts";
import { BACKUP, BACKUP_OR_FILE } from "./catalogue-operands.ts";
import { REPOSITORY_COMMANDS } from "./catalogue-repo.ts";
import { RESTORE } from "./catalogue-restore.ts";
import { RETENTION_COMMANDS } from "./catalogue-retention.ts";
import type { CommandInfo } from "./command.ts";

const FAULTS =
  "`option` (an unknown key as it is written; null where neither is meant), `source` (the flag, variable, or path and line), `message` (a whole sentence)";

export const COMMANDS: Readonly<Record<CommandName, CommandInfo>> = {
  save: {
    summary: "save a snapshot of a live etcd, check it, and store it",
    description:
      "Streams a snapshot from one member to a local copy at the speed of the network, checks its hash, structure and rows, compares it with the other members, and stores it. It becomes a backup when its manifest is written, last of all.",
    examples: [
      { line: "etcdsafe save --endpoints https://10.0.0.1:2379,https://10.0.0.2:2379 --cacert ca.pem --repository /backup", does: "into a repository" },
      {
        line: "etcdsafe save --endpoints https://127.0.0.1:2379 --repository /backup --include-preset kubeadm --recipient age1…",
        does: "with certificates, static pods and encryption configuration of this host",
      },
      {
        line: "etcdsafe save --repository /backup --repository s3://backups/etcd/prod --recipient age1…",
        does: "into two repositories at once, each at its own pace; exit code 3 where one of them fails",
      },
      { line: "etcdsafe save --output snapshot.db", does: "to a plain file, as etcdctl writes it" },
    ],
    json: {
      manifest: "docs/repository-format.md, “Manifest”; null with `--output`",
      "repositories[]":
        "with several repositories: `location`, `backup` (`id`, `timeline`, `timelineBegan` and `encryption`; null where it is not stored) and `failure` (`code`, `message`, `hint`; null where it is); `manifest` above is then that of the first which holds it",
      "verifications[]":
        "with `--verify`: `location` and `result`, as `verify` prints it (null where it could not be read back) and `failure` (`code`, `message`, `hint`) for each repository",
      "prunes[]":
        "with `--prune`: `location` and `result`, as `prune` prints it (null where it failed) and `failure` (`code`, `message`, `hint`) for each repository",
      file: "with `--output`: the file",
      "state, stateWhy, members, revision, rawSizeBytes, databaseSha256, warnings": "with `--output`: what a manifest would have said",
      "suspects[]":
        "the same of snapshots taken before it, of members whose data others contradict; `file`: FILE.suspect, FILE.suspect-2 and so on, or null beyond ten",
    },
    load: () => import("./commands/save.ts"),
  },
  list: {
    summary: "list the backups of a repository",
    description:
      "Below the table: which points can be rebuilt, by what segments and backups are called, and what failed in the last 7 days. --since and --limit choose what the table shows; the points are those of all backups. A backup whose manifest cannot be read is a row of its own.",
    examples: [
      { line: "etcdsafe list --repository /backup", does: "newest first" },
      { line: "etcdsafe list --repository s3://backups/etcd --all-clusters --since 7d", does: "the last week of every cluster" },
    ],
    json: {
      "backups[]": "newest first, cluster by cluster",
      "backups[].cluster, .id": "which one",
      "backups[].state": "`proven`, `unconfirmed`, `suspect`, `partial`, `damaged` or `unreadable`",
      "backups[].createdAt, .timeline, .revision, .keys, .etcdVersion": "from its manifest; null where unknown",
      "backups[].rawSizeBytes, .storedSizeBytes": "sizes of all its objects, unpacked (null where unknown) and as they are stored now",
      "backups[].encryption": "who can open it: `scheme`, `recipients`, `passphrase`; null where it is not encrypted",
      "backups[].verified": "`level` and `finishedAt` of the deepest verification passed, or null",
      "backups[].signed": "whether a signature lies beside its manifest, checked only with --trusted-key; null where the manifest cannot be read",
      "backups[].pin": "`reason` and `pinnedAt` (null where the pin cannot be read); null where it is not pinned",
      "backups[].tags": "names and values; null where its manifest cannot be read",
      "backups[].faults[]": "why it is damaged or unreadable",
      "clusters[].cluster, .more": "each cluster that was looked at, and how many backups --since and --limit left out",
      "clusters[].recovery.windows[]":
        "newest first: every revision of `timeline` from `firstRevision` to `lastRevision` (`isOpen`: and on, as far as the last segment does) can be rebuilt from `backup` on, which was made at `from`; the last segment was stored at `to`",
      "clusters[].recovery.gaps[]": "between two windows of one `timeline`: `firstRevision` to `lastRevision`",
      "clusters[].recovery.single":
        "good backups outside of all windows: `count`, of which the oldest is of the time `from`, the newest of `to`; null where there are none",
      "clusters[].failed[], .failedTotal":
        "attempts of the last 7 days, newest first, at most 100, as docs/repository-format.md, “Attempts”, has `action`, `phase`, `backup`, `startedAt`, `finishedAt` and `failure`; and how many there are, those included that cannot be read",
      "location, layout":
        "only where there is no repository but other tools' backups (docs/other-tools.md): `etcdbrctl` or `snapshot-files`. `backups[]` then has `id`, `key`, `state`, `createdAt`, `revision` with `revisionFrom` (`content` or `name`), `packing`, `final`, `storedSizeBytes`, `newerDeltas` (`count`, `lastRevision`) and `faults[]`",
    },
    load: () => import("./commands/list.ts"),
  },
  show: {
    summary: "show all that is known about a backup",
    description: BACKUP,
    operands: [{ name: "backup", required: true, description: "which backup" }],
    examples: [{ line: "etcdsafe show latest --repository /backup", does: "the newest one fit for a restore" }],
    json: {
      state: "its state as of now",
      "damage[]": "why it is damaged",
      storedSizeBytes: "of all its objects, as they are stored now",
      signed: "whether a signature lies beside its manifest, checked only with --trusted-key",
      pin: "`reason` and `pinnedAt` (null where the pin cannot be read); null where it is not pinned",
      manifest: "docs/repository-format.md, “Manifest”",
      "verifications[]": "the newest result of each level, docs/repository-format.md, “Verifications”",
      "location, layout":
        "only of another tool's backup: what `list` says of it, and what is inside: `rawSizeBytes`, `databaseSha256`, `compactRevision`, `storageVersion`, `clusterVersion`, `leases`, `authEnabled`, `alarms[]`, `members[]`",
    },
    load: () => import("./commands/show.ts"),
  },
  verify: {
    summary: "prove that a backup or snapshot file is good",
    description: `Reads the bytes back and prints every finding with its offset; exit code 6 if there is an error among them. Of several backups or repositories that is so whatever else; if none is bad, but some could not be read, the exit code is 3, and if none could, that of the first. Pipelines: docs/ci.md. ${BACKUP_OR_FILE}`,
    operands: [{ name: "backup|file|-", required: false, description: "what to verify; - reads standard input (default: latest)" }],
    examples: [
      { line: "etcdsafe verify latest --repository /backup", does: "one backup" },
      { line: "etcdsafe verify --all --repository /backup", does: "all of a cluster" },
      {
        line: "etcdsafe verify --since 7d --repository /backup --repository s3://backups/etcd --junit etcdsafe.xml",
        does: "the last week, in two places, with a report for CI",
      },
      { line: "etcdsafe verify snapshot.db", does: "a file that any tool saved" },
    ],
    json: {
      "verified[]": "one object for each backup or file",
      "verified[].repository": "where it is, as it was named; of a file there is none",
      "verified[].cluster, .backup":
        "which backup; `backup` is null of a repository that could not be read, where several were named, and of a cluster without one since the time that --since says (`cluster` null: all); or",
      "verified[].file": "which file, or",
      "verified[].location, .backup, .key": "which backup of another tool, and",
      "verified[].newerDeltas": "what is there after it and was not looked at: `count`, `lastRevision`; or null",
      "verified[].state": "of a backup of a repository, as `show` says it, whatever its verification finds; null where its manifest cannot be read",
      "verified[].level": "how deep it was looked at",
      "verified[].outcome": "`passed`, `failed`, or `not-verified` where it could not be read; then only `failure` follows",
      "verified[].startedAt, .finishedAt, .readSizeBytes": "when, and how much was read",
      "verified[].hashKv": "`revision`, `compactRevision`, `hash`; null above the level structure",
      "verified[].failure": "`code`, `message`, `hint` of what came first; null where it passed",
      "verified[].findings[]": "`severity` (`warning` or `error`), `object`, `offset` in bytes (null: no place in it is to blame), `text`",
      "verified[].findingsTotal": "all of them, listed or not",
      "verified[].origin":
        "of a backup: `signed` by a key that --trusted-key names, or `not-proven`: integrity only, whoever can write to the repository could have made it",
    },
    load: () => import("./commands/verify.ts"),
  },
  inspect: {
    summary: "tell what a file or directory is, and its facts",
    description: "Knows snapshots, databases, WAL segments, raft snapshots, data directories and what is often mistaken for them. Reads only.",
    operands: [{ name: "file|directory", required: true, description: "what to look at" }],
    examples: [{ line: "etcdsafe inspect snapshot.db", does: "a snapshot" }],
    json: {
      "path, sizeBytes": "what was looked at",
      kind: "`snapshot`, `database`, `truncated-snapshot`, `wal-file`, `wal-directory`, `raft-snapshot`, `data-directory`, `repository`, `packed`, `empty`, `directory` or `other`",
      "what, hint": "the same in words, and what to do about it",
      inUse: "whether an etcd has it open: `locked`, `processId`",
      snapshot: "facts of a database: hash, revision, compaction, HashKV, counts, members, versions, `findings`",
      wal: "facts of a log: `segments`, `memberId`, `clusterId`, `hardState`, `entries`, `snapshot`, `fault`, `behindEnd` (why it may have gone on after its end)",
      raftSnapshot: "facts of a .snap file: `index`, `term`, `confState`, `members`, `fault`",
      dataDirectory: "whose it is, its raft snapshots, leftovers, and what does not fit together",
      repository: "`id`, `createdAt`, `clusters`",
    },
    load: () => import("./commands/inspect.ts"),
  },
  restore: RESTORE,
  copy: {
    summary: "copy backups from one repository to another",
    description:
      "Copies what is missing in TO, the newest first, by what is in it: a backup that is there already, under any id or encryption, is left alone. Each is read back before its manifest is written, and a copy that was interrupted is finished by the next. Backups keep their ids, and go byte for byte, with their signatures; with --recipient, --recipients-file or --new-passphrase-file they are opened (--identity-file, --passphrase-file) and encrypted anew. What is encrypted is never decrypted for good. Pins and restore records come along, and so does what the cluster's name is bound to, so that TO can be saved to and restored from. Damaged backups are not copied. Exit code 3: some could not be copied. Repositories: docs/repository-format.md, “Copies”.",
    operands: [
      { name: "from", required: true, description: "URL or path of the repository to copy from" },
      { name: "to", required: true, description: "URL or path of the repository to copy to; created where there is none" },
    ],
    examples: [
      { line: "etcdsafe copy /backup s3://backups/etcd/prod --recipient age1… --identity-file own.txt", does: "to a bucket, encrypted to somebody" },
      {
        line: "etcdsafe copy s3://backups/etcd/prod gs://archive/etcd --last 7 --from-config s3.yaml",
        does: "the newest seven, from a store that is reached by other options",
      },
      { line: "etcdsafe copy s3://backups/etcd/prod /backup --since 30d --plan", does: "only say what would be copied" },
    ],
    json: {
      plan: "with `--plan`: the fields below, `copied` meaning what would be",
      "from, to": "where",
      "backups[].cluster, .backup": "which one",
      "backups[].outcome": "`copied`, `present` (in TO already) or `failed`",
      "backups[].as": "of one that is present: its id in TO; else null",
      "backups[].storedSizeBytes, .encryption":
        "of the copy: sizes of all its objects as stored (with --plan: in FROM), and who can open it; null where it was not copied, or nobody has to",
      "backups[].failure": "`code`, `message`, `hint`; null where there is none",
    },
    load: () => import("./commands/copy.ts"),
  },
  ...RETENTION_COMMANDS,
  ...AGENT_COMMANDS,
  ...REPOSITORY_COMMANDS,
  "config show": {
    summary: "show every option's value and where it comes from",
    description: "Takes every option of every command. Secrets are not shown.",
    examples: [{ line: "etcdsafe config show --config etcdsafe.yaml", does: "of a file and this environment" }],
    json: {
      "options[].name": "the option",
      "options[].value": "as it would be written, secrets redacted; null where it has none",
      "options[].origin": "`flag`, `environment`, `etcdctl`, `file` or `default`",
      "options[].from": "the flag, variable, or path and line",
      "faults[]": `not empty means exit code 2; ${FAULTS}`,
    },
    load: () => import("./commands/config-show.ts"),
  },
  "config validate": {
    summary: "find all faults of the configuration",
    description: "Takes every option of every command. Looks into the files that the configuration names, and connects to nothing.",
    examples: [{ line: "etcdsafe config validate --config etcdsafe.yaml", does: "a file and this environment" }],
    json: {
      valid: "false means exit code 2",
      "faults[]": FAULTS,
    },
    load: () => import("./commands/config-validate.ts"),
  },
  version: {
    summary: "print the version",
    examples: [{ line: "etcdsafe version -o json", does: "with Node's" }],
    json: { etcdsafe: "its version", node: "that of Node" },
    load: () => import("./commands/version.ts"),
  },
};

/** Commands that have others below them. */
export const GROUPS: Readonly<Record<string, string>> = { repo: "set up repositories and look after them", config: "look at the configuration" };

/** What other tools call these. */
export const SYNONYMS: Readonly<Record<string, CommandName>> = {
  backup: "save",
  snapshot: "save",
  create: "save",
  ls: "list",
  snapshots: "list",
  info: "show",
  describe: "show",
  check: "verify",
  validate: "verify",
  status: "inspect",
  recover: "restore",
  init: "repo init",
};
