// What help and docs/cli.md say about the commands that look after repositories.
import type { CommandName } from "../config/option.ts";
import type { CommandInfo } from "./command.ts";

type RepositoryCommand = Extract<CommandName, `repo ${string}`>;

export const REPOSITORY_COMMANDS: Readonly<Record<RepositoryCommand, CommandInfo>> = {
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
      conditionalCreate:
        "what became of a second create of the same object and of a replacement of an old version: `refused` as it has to be, `ignored`, or `not-tried` where nothing may be written",
      createAfterRemoval:
        "whether what was deleted can be created again: `works`, `refused`, or `not-tried` where the store keeps no versions or nothing may be removed",
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
  "repo policy": {
    summary: "show or set the policies of a repository",
    description:
      "`repo policy set` with the options of `prune` stores them as the retention policy of all who prune there without saying another one: `prune` and `save --prune`. It replaces what was set before. The policy of encryption is set by `repo init`.",
    operands: [{ name: "show|set", required: false, description: "which of both (default: show)" }],
    examples: [
      { line: "etcdsafe repo policy --repository /backup", does: "what it is now" },
      { line: "etcdsafe repo policy set --repository /backup --keep-hourly 48 --keep-daily 30 --keep-monthly 12", does: "for every writer" },
    ],
    json: { policy: "`retention` and `encryption`, as docs/repository-format.md, “Repository file”, has them; absent where there is none" },
    load: () => import("./commands/repo-policy.ts"),
  },
  "repo validate": {
    summary: "try out whether a store keeps what etcdsafe promises",
    description:
      "Does all that backups, recorders and removal need, with your store and your credentials, on objects of its own below `_probe/`, which it removes again as far as it may; older versions of them stay where a store keeps those, and a version that --object-lock-mode has it lock stays for a minute. Nothing else is touched, and no repository has to be there. Exit code 0: all of it works. 3: backups can be saved and restored, but something else does not work: conditions (needed for recorders and several hosts), removal, creating again what was removed, clocks, the past that a store with versions should show, or a default retention without --state-url. 6: not fit for backups. 5: the store could not be reached.",
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
        "`put`, `stat`, `read`, `ranged-read`, `list`, `large-upload`, `large-read`, `cancelled-upload`, `conditional-create`, `compare-and-swap`, `remove`, `create-after-removal`, `versions`, `retention`, `lock` or `clock`",
      "trials[].store": "`repository` or `state`",
      "trials[].outcome": "`works`, `fails`, `absent` (not offered, and not needed) or `not-tried`",
      "trials[].neededFor": "`everything`, `several-writers`, `removal`, `past` (--as-of) or `nothing`",
      "trials[].detail": "what was seen",
      "leftBehind[]": "keys of what was stored, or may have been, and could not be removed",
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
      "Stores a backup again under a new id and publishes it once it was read back; the old one stays as long as the new one does, and whoever could read that still can. Unless --new-key is given, what is encrypted keeps its key, and only who can open it changes: where the store can copy parts of objects, they are not uploaded again. What was not encrypted becomes so. With --all, of several backups with one content, which rekeying makes, the newest that can be is stored again, and does for the others.",
    operands: [{ name: "backup", required: false, description: "which backup; or all, with --all" }],
    examples: [
      { line: "etcdsafe repo rekey latest --repository /backup --identity-file old.txt --recipient age1…", does: "one backup, to somebody else" },
      { line: "etcdsafe repo rekey --all --new-key --repository /backup --identity-file leaked.txt --recipient age1…", does: "all, after a key has leaked" },
    ],
    json: {
      "rekeyed[]": "one object for each backup",
      "rekeyed[].backup, .newId": "the old one, and the one with its content that is as it shall be (null where it failed)",
      "rekeyed[].outcome":
        "`rekeyed`, `already` (with --all: it, or another with its content, is encrypted to exactly these; with --new-key, by a key that nobody else was given) or `failed`",
      "rekeyed[].keepsKey": "whether the new one has the file key of the old one",
      "rekeyed[].failure": "`code`, `message`, `hint`; null where there is none",
    },
    load: () => import("./commands/repo-rekey.ts"),
  },
};
