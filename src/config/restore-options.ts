// Rows of the table of options: what to restore into; as etcdutl is told, where it has the option.
import type { OptionSpec } from "./option.ts";

export const RESTORE_OPTIONS = {
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
    description:
      "Makes the new cluster's ids, so that no old member can join. The same for all members, and never used before: one whose ids the source, the targets or the repository know is refused (TOKEN_USED).",
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
    description: "The member's data directory, absent or empty unless --replace is given.",
  },
  "wal-dir": {
    kind: "path",
    placeholder: "DIR",
    group: "Members",
    commands: ["restore"],
    defaultText: "<data-dir>/member/wal",
    description: "The member's WAL directory, absent or empty unless --replace is given.",
  },
  replace: {
    kind: "boolean",
    default: "false",
    group: "Members",
    commands: ["restore"],
    description:
      "Replace the members that are in the data directories. They are kept beside, as `member.before-restore-<time>`, and a WAL directory's files in `before-restore-<time>` there.",
  },
  owner: {
    kind: "string",
    placeholder: "USER[:GROUP]",
    pattern: { regex: /^[^:\s]+(:[^:\s]+)?$/, is: "a user, or a user and a group, by names or numbers" },
    group: "Members",
    commands: ["restore"],
    defaultText: "as what is replaced, else as the data directory, else who runs this",
    description: "Whom the restored files are to belong to: the user that etcd runs as.",
  },
  "bump-revision": {
    kind: "string",
    placeholder: "auto|N|none",
    default: "auto",
    pattern: { regex: /^(auto|none|[1-9]\d{0,18})$/, is: "auto, a number of revisions above 0, or none" },
    group: "What to do",
    commands: ["restore"],
    description:
      "Move the revision ahead, beyond all that clients can have seen, and mark all before as compacted, so that watches from before fail instead of missing changes. auto: 1000000000 beyond all that is known of the cluster; N: that amount, added to the source's revision as etcdutl does; none: it stays, and every client has to be restarted.",
  },
  evidence: {
    kind: "list",
    placeholder: "DIR|REVISION,…",
    group: "What to do",
    commands: ["restore"],
    description:
      "What else shows how far the cluster's revisions went, for --bump-revision auto and for what is lost: a data directory, a directory of its log (etcd's --wal-dir), a snapshot file, or a revision that a client or a metric shows. Looked at without being asked: the directories that are replaced, those of --distro on this host with --to-snapshot, and the repository's backups and restores.",
  },
  "mark-compacted": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description: "As etcdutl demands it next to --bump-revision, which does it by itself here.",
  },
  "etcd-is-stopped": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description:
      "Your word that etcd is stopped, where a restore is refused because it may be alive, or because that cannot be found out. A lock that is held on the files to be replaced stays a refusal.",
  },
  copy: {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description:
      "The restored cluster is a copy beside the one that the source comes from, which may be alive. It is not registered in the repository as that one's successor, and so cannot save under its name; nor is a snapshot file for one.",
  },
  "host-root": {
    kind: "path",
    placeholder: "DIR",
    default: "/",
    group: "What to do",
    commands: ["save", "restore"],
    description:
      "Where the host's file system is mounted, for a run in a container. save: the files of --include-preset are looked for there. restore: static pods of etcd, and with --to-snapshot the data directory of --distro.",
  },
  "skip-hash-check": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description:
      "Take a file that has no SHA-256 at its end, such as a copy of member/snap/db. Its structure is checked all the same, and a hash that is there has to be right.",
  },
  "to-snapshot": {
    kind: "path",
    placeholder: "FILE",
    group: "What to do",
    commands: ["restore"],
    description: "Write a plain snapshot that etcdutl takes, instead of a member's directories. A run that was killed leaves `FILE.<random>.part`.",
  },
  plan: {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore", "copy", "prune", "repo gc"],
    description: "Print what would be done, and do nothing. Of a restore also what to run on which host; with -o json, that can be saved for --from-plan.",
  },
  "from-plan": {
    kind: "path",
    placeholder: "FILE",
    group: "What to do",
    commands: ["restore"],
    description:
      "Carry out what `restore … --plan -o json` has printed, with --member the part of this host. Nothing is planned again: what is not as the plan says is refused.",
  },
  distro: {
    kind: "enum",
    choices: ["kubeadm", "systemd", "k3s", "rke2", "talos", "openshift"],
    placeholder: "DISTRO",
    group: "What to do",
    commands: ["restore"],
    defaultText: "etcd's own command lines",
    description: "How etcd is run, for what --plan prints: members as static pods (kubeadm) or units (systemd); the others restore the file of --to-snapshot.",
  },
} as const satisfies Record<string, OptionSpec>;
