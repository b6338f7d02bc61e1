// Every command: what help and docs/cli.md say about it, and where its code is. A command is loaded when it runs, so that `--help` loads none.
import type { CommandName } from "../config/option.ts";
import type { CommandInfo } from "./command.ts";

const BACKUP = "A backup is named by its id, a unique beginning of it, `latest` or `oldest`.";
const BACKUP_OR_FILE = `${BACKUP.slice(0, -1)}; a file by its path.`;

const MEMBERS_FILE = `A members file, for \`--members\`; relative directories start from where it is:

\`\`\`yaml
token: prod-2026-11-21 # may be left out with --all-members, and for --plan
members:
  - name: m1
    peerUrls: [https://10.0.0.1:2380]
    clientUrls: [https://10.0.0.1:2379] # may be left out: port 2379 of the peer URLs' hosts
    dataDir: /var/lib/etcd
  - name: m2
    peerUrls: [https://10.0.0.2:2380]
    dataDir: /var/lib/etcd
    walDir: /wal/etcd
\`\`\``;

const INTERRUPTED_RESTORE = `A restore that is killed, or whose host loses power, leaves every member as it was, or as it is to be, or in between with a directory \`proxy\` beside it, which
keeps every etcd from starting there ("invalid datadir; both member and proxy directories exist"). The next restore into that directory settles it: the
same command finishes what was begun, with the cluster id that it had, and any other one first puts everything back. \`--plan\` says which. What is replaced
is never deleted, not by that either: remove \`member.before-restore-<time>\`, and \`before-restore-<time>\` in a WAL directory, when nobody needs them.`;

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
        "with several repositories: `location`, `manifest` (null where it is not stored) and `failure` (`code`, `message`, `hint`; null where it is); `manifest` above is then the first of those",
      file: "with `--output`: the file",
      "state, stateWhy, members, revision, rawSizeBytes, databaseSha256, warnings": "with `--output`: what a manifest would have said",
      "suspects[]":
        "the same of snapshots taken before it, of members whose data others contradict; `file`: FILE.suspect, FILE.suspect-2 and so on, or null beyond ten",
    },
    load: () => import("./commands/save.ts"),
  },
  list: {
    summary: "list the backups of a repository",
    examples: [{ line: "etcdsafe list --repository /backup", does: "newest first" }],
    json: {
      "backups[]": "newest first, cluster by cluster",
      "backups[].cluster, .id": "which one",
      "backups[].state": "`proven`, `unconfirmed`, `suspect`, `partial`, `damaged` or `unreadable`",
      "backups[].createdAt, .timeline, .revision, .keys, .etcdVersion": "from its manifest; null where unknown",
      "backups[].rawSizeBytes, .storedSizeBytes": "sizes of all its objects, unpacked and as stored",
      "backups[].encryption": "who can open it: `scheme`, `recipients`, `passphrase`; null where it is not encrypted",
      "backups[].verified": "`level` and `finishedAt` of the deepest verification passed, or null",
      "backups[].faults[]": "why it is damaged or unreadable",
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
      manifest: "docs/repository-format.md, “Manifest”",
      "verifications[]": "the newest result of each level, docs/repository-format.md, “Verifications”",
      "location, layout":
        "only of another tool's backup: what `list` says of it, and what is inside: `rawSizeBytes`, `databaseSha256`, `compactRevision`, `storageVersion`, `clusterVersion`, `leases`, `authEnabled`, `alarms[]`, `members[]`",
    },
    load: () => import("./commands/show.ts"),
  },
  verify: {
    summary: "prove that a backup or snapshot file is good",
    description: `Reads the bytes back and prints every finding with its offset; exit code 6 if there is an error among them. ${BACKUP_OR_FILE}`,
    operands: [{ name: "backup|file|-", required: false, description: "what to verify; - reads standard input (default: latest)" }],
    examples: [
      { line: "etcdsafe verify latest --repository /backup", does: "one backup" },
      { line: "etcdsafe verify --all --repository /backup", does: "all of a cluster" },
      { line: "etcdsafe verify snapshot.db", does: "a file that any tool saved" },
    ],
    json: {
      "verified[]": "one object for each backup or file",
      "verified[].cluster, .backup": "which backup, or",
      "verified[].file": "which file, or",
      "verified[].location, .backup, .key": "which backup of another tool, and",
      "verified[].newerDeltas": "what is there after it and was not looked at: `count`, `lastRevision`; or null",
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
      wal: "facts of a log: `segments`, `memberId`, `clusterId`, `hardState`, `entries`, `snapshot`, `fault`",
      raftSnapshot: "facts of a .snap file: `index`, `term`, `confState`, `members`, `fault`",
      dataDirectory: "whose it is, its raft snapshots, leftovers, and what does not fit together",
      repository: "`id`, `createdAt`, `clusters`",
    },
    load: () => import("./commands/inspect.ts"),
  },
  restore: {
    summary: "write the data directories of a new cluster",
    description: `Computes the members' files from a backup or any snapshot file, checks them, and renames them into place. Nothing that exists is overwritten. ${BACKUP_OR_FILE}`,
    operands: [{ name: "backup|file", required: false, description: "what to restore (default: latest)" }],
    examples: [
      { line: "etcdsafe restore snapshot.db --data-dir /var/lib/etcd", does: "a cluster of one member" },
      {
        line: "etcdsafe restore latest --repository /backup --members members.yaml --distro kubeadm --replace --plan",
        does: "what would be done, and what to run on each host",
      },
      {
        line: "etcdsafe restore latest --repository /backup --members members.yaml --replace --plan -o json",
        does: "the same, to be saved as plan.json and copied to each host",
      },
      { line: "etcdsafe restore --from-plan plan.json --member m1 --repository /backup", does: "one host's part of it" },
      {
        line: "etcdsafe restore latest --repository /backup --data-dir /var/lib/etcd --bundle-dir /root/files",
        does: "and the files that were saved beside it",
      },
      { line: "etcdsafe restore latest --repository /backup --to-snapshot snapshot.db", does: "a plain snapshot for other tools" },
    ],
    example: `${MEMBERS_FILE}\n\n${INTERRUPTED_RESTORE}`,
    json: {
      plan: "what was, or with `--plan` would be, done",
      "plan.format": "1: the version of this document, which `--from-plan` reads",
      "plan.stageId": "names what is written until it is put in place, `member.etcdsafe-<stageId>`",
      "plan.skipHashCheck": "what `--skip-hash-check` said",
      "plan.source": "what is restored: `kind`, `location`, and facts from the backup or file",
      "plan.token, plan.clusterId": "of the new cluster",
      "plan.tokenGiven": "false where this run drew the token: another run gets another, and other ids",
      "plan.members[]":
        "`name`, `id`, `peerUrls`; `clientUrls`, and whether they are only assumed; `dataDir` and `walDir`, null for a member that another run writes",
      "plan.revision":
        "`before`, `after`, `bump` (as given), `bumpedBy` (null: not at all), `markCompacted`; `evidence[]`: how far the cluster went, as far as anything shows it",
      "plan.revision.evidence[]": "`kind`, `where`, `revision`, `isUpperBound` (it may be less), `at` (null: not known)",
      "plan.loss":
        "from the source to the `newest` of the evidence (null: nothing newer is known): `revisions`, `secondsBetween`, `upperBound` (it may be less)",
      "plan.keyspace":
        "`alarms` (`count`, `policy`), `auth` (`before`, `after`: `on` or `off`), `leases` (`count`, `policy`: `restart`, `expire` or `detach`; `boundKeys` that the policy changes, null where none; `addedBytes`)",
      "plan.versions": "`storage` and `cluster` of the source, `target` (null: not given), `oldestEtcd` that starts with it, `removesStorageVersion`",
      "plan.walBeside":
        "the log beside a copied database: `directory`, `consistentIndex`, `lastIndex`, `missingEntries`, `damage`; null for a snapshot, or where there is none",
      "plan.walDialect": "whose encoding of the WAL is written",
      "plan.bytes": "`databasePerMember`, `walPerMember`, `total`",
      "plan.tool, plan.plannedAt": "which etcdsafe planned, and when",
      "plan.perHost, plan.distro": "whether each member is restored by a run on its own host (`--from-plan`), and what `--distro` said",
      "plan.repository": "`location` and `cluster`, which the runs that go by the plan need as well; null where none was named",
      "plan.unsignedSha256": "of a database that etcd left no SHA-256 for, with `--plan`",
      "plan.quotaBackendBytes": "what etcd's quota, `quota-backend-bytes`, has to be at least",
      "plan.warnings[]": "what to know before starting the cluster",
      "plan.copy, plan.formerMembers[]": "whether it is a copy beside a living cluster, and who made up the one that the source comes from",
      liveness:
        "with `--plan`: whether etcd is stopped, seen from this host: `verdict` (`stopped`, `alive` or `unknown`), and `checks[]` with `kind`, `what`, `outcome`, `detail` and `allowedBy` (an option that says to go on); `formerQuorum` (`answering`, `members`) where a majority of the former cluster answers, else null",
      "refusals[]": "with `--plan`: why a restore would be refused as things are",
      sha256: "with `--plan`: what shows `--from-plan` that the plan was not changed",
      "instructions[]": "with `--plan`: for each host `member`, `host` and `steps[]` with `number`, `title`, `why` and `commands[]`",
      hashKv: "without `--plan`: what every member must answer at the revision that it starts with",
      "plan.replace, plan.owner": "what `--replace` and `--owner` said; `owner` has `uid` and `gid`",
      "plan.members[].replaces":
        "what is kept under another name: `memberDir`, `keptAs`, `walKeptAs`, `databaseSizeBytes`, `revision`; null where nothing is, or the target is on another host",
      "plan.members[].access": "`uid`, `gid` and `mode` of what is written, and `from` where they come; null where the target is on another host",
      "plan.bytes.fileSystems[]": "`directories`, `neededBytes` and `freeBytes` (null: unknown) of each file system",
      "leftovers[]": "without `--plan`: what an interrupted restore left beside the target",
      "inPlace[]": "with `--from-plan`: the members that it has put in place before, and that were not started since: nothing is done then",
      finishes: "without `--plan`: when the interrupted restore began that this run has only finished; else null",
      file: "with `--to-snapshot`, in place of all that: `path`, `sizeBytes`, `databaseSha256`, `revision`, `hashKv`; with `--plan`, `plan` has `file`, and of the above `source`, `skipHashCheck`, `revision`, `loss`, `keyspace`, `versions`, `walBeside`, `distro` and `warnings`",
    },
    load: () => import("./commands/restore.ts"),
  },
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
  "repo init": {
    summary: "create an empty repository",
    description:
      "The first save does this by itself. Proves that the store refuses to create an object that exists already: the fence between two writers. Where it does not, the repository remembers that, and recorders and agents refuse to work there.",
    examples: [
      { line: "etcdsafe repo init --repository /backup", does: "at a path" },
      { line: "etcdsafe repo init --repository s3://backups/etcd/prod --s3-region eu-central-1", does: "in a bucket" },
    ],
    json: {
      created: "false where there was one already",
      location: "where it is",
      conditionalCreate: "what became of a second create of the same object: `refused` as it has to be, `ignored`, or `not-tried` where nothing may be written",
      repository: "docs/repository-format.md, “Repository file”",
    },
    load: () => import("./commands/repo-init.ts"),
  },
  "repo adopt": {
    summary: "let another etcd cluster write under a cluster's name",
    description:
      "For a cluster that really is the successor of the one the name is bound to, and was not restored by etcdsafe. Its next save is accepted whatever it holds, and starts a new timeline unless it continues the newest backup. A name that was never bound has nothing to adopt: the first save binds it.",
    examples: [{ line: "etcdsafe repo adopt --repository /backup --cluster prod --endpoints https://10.0.0.1:2379", does: "the cluster that answers there" }],
    json: { changed: "false where it was adopted already", cluster: "docs/repository-format.md, “Cluster file”" },
    load: () => import("./commands/repo-adopt.ts"),
  },
  "repo validate": {
    summary: "try out whether a store keeps what etcdsafe promises",
    description:
      "Does all that backups, recorders and removal need, with your store and your credentials, on objects of its own below `_probe/`, which it removes again as far as it may; older versions of them stay where a store keeps those, and a version that --object-lock-mode has it lock stays for a minute. Nothing else is touched, and no repository has to be there. Exit code 0: all of it works. 3: backups can be saved and restored, but something else does not work: conditions (needed for recorders and several hosts), removal, clocks, or a default retention without --state-url. 6: not fit for backups. 5: the store could not be reached.",
    examples: [
      { line: "etcdsafe repo validate --repository s3://backups/etcd/prod", does: "before the first save" },
      {
        line: "etcdsafe repo validate --repository s3://locked/etcd --state-url s3://state/etcd --object-lock-mode compliance --retain-for 30d",
        does: "with locks",
      },
    ],
    json: {
      "location, stateLocation": "which stores; null without --state-url",
      verdict: "`good`, `limited` or `unfit`: the exit codes 0, 3 and 6",
      "trials[].name":
        "`put`, `stat`, `read`, `ranged-read`, `list`, `large-upload`, `large-read`, `cancelled-upload`, `conditional-create`, `compare-and-swap`, `remove`, `versions`, `retention`, `lock` or `clock`",
      "trials[].store": "`repository` or `state`",
      "trials[].outcome": "`works`, `fails`, `absent` (not offered) or `not-tried`",
      "trials[].neededFor": "`everything`, `several-writers`, `removal` or `nothing`",
      "trials[].detail": "what was seen",
      "leftBehind[]": "keys that could not be removed",
    },
    load: () => import("./commands/repo-validate.ts"),
  },
  "repo check": {
    summary: "look whether everything in a repository is whole and in its place",
    description:
      "Reads every manifest and every other document, and compares what they name with what is stored, by size. Names what is missing, damaged, left over, or none of etcdsafe's. Changes nothing, and reads no snapshot: `verify` does that. Exit code 6 where something is wrong; leftovers alone are no fault.",
    examples: [{ line: "etcdsafe repo check --repository /backup", does: "all clusters" }],
    json: {
      "location, clusters, backups, objects, storedSizeBytes": "what was looked at",
      "findings[].severity": "`error` or `warning`",
      "findings[].key, .text": "where, and what is wrong there",
    },
    load: () => import("./commands/repo-check.ts"),
  },
  "repo gc": {
    summary: "remove what interrupted uploads left",
    description:
      "Objects of backups that have no manifest, unfinished uploads and old upload markers, of all clusters; nothing that somebody is writing, that a backup needs, or that is not etcdsafe's. An upload counts as dead when its marker has missed three heartbeats, by the store's clock. Takes the writer lease of each cluster in which there is something to remove: exit code 7 where another process has it. 3: some of it could not be removed.",
    examples: [
      { line: "etcdsafe repo gc --repository s3://backups/etcd/prod --plan", does: "only say what would be removed" },
      { line: "etcdsafe repo gc --repository s3://backups/etcd/prod", does: "remove it" },
    ],
    json: {
      plan: "with `--plan`: `remove[]` and `leave[]`, as below",
      "removed[]":
        "`cluster`, `backup`, `reason`, `objects[]` (`key`, `sizeBytes`), `unfinished[]` (`key`, `uploadId`, `startedAt`) and `marker` (a key, or null)",
      "leave[]": "`cluster`, `backup` and `reason` of what was left alone",
      "failed[]": "the same of what could not be removed, with `code`",
      isHidden: "whether the store keeps versions, so that what was removed still takes space",
    },
    load: () => import("./commands/repo-gc.ts"),
  },
  "repo rekey": {
    summary: "encrypt stored backups to others",
    description:
      "Stores a backup again under a new id and publishes it once it was read back; the old one stays until it is pruned, and whoever could read that still can. Unless --new-key is given, what is encrypted keeps its key, and only who can open it changes: where the store can copy parts of objects, they are not uploaded again. What was not encrypted becomes so.",
    operands: [{ name: "backup", required: false, description: "which backup; or all, with --all" }],
    examples: [
      { line: "etcdsafe repo rekey latest --repository /backup --identity-file old.txt --recipient age1…", does: "one backup, to somebody else" },
      { line: "etcdsafe repo rekey --all --new-key --repository /backup --identity-file leaked.txt --recipient age1…", does: "all, after a key has leaked" },
    ],
    json: {
      "rekeyed[]": "one object for each backup",
      "rekeyed[].backup, .newId": "the old one, and the new one (null where it failed)",
      "rekeyed[].outcome": "`rekeyed`, `already` (with --all: it, or one that it was rekeyed to, is encrypted to exactly these) or `failed`",
      "rekeyed[].failure": "`code`, `message`, `hint`; null where there is none",
    },
    load: () => import("./commands/repo-rekey.ts"),
  },
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
export const GROUPS: Readonly<Record<string, string>> = { repo: "set up a repository", config: "look at the configuration" };

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
