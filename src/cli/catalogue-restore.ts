// What help and docs/cli.md say about `restore`.
import { BACKUP_OR_FILE } from "./catalogue-operands.ts";
import type { CommandInfo } from "./command.ts";

const MEMBERS_FILE = `A members file, for \`--members\`; relative directories start from where it is:

\`\`\`yaml
token: prod-2026-11-21 # never one that was used before; may be left out with --all-members, and for --plan
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

export const RESTORE: CommandInfo = {
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
    "plan.loss": "from the source to the `newest` of the evidence (null: nothing newer is known): `revisions`, `secondsBetween`, `upperBound` (it may be less)",
    "plan.keyspace":
      "`alarms` (`count`, `policy`), `auth` (`before`, `after`: `on` or `off`), `leases` (`count`, `policy`: `restart`, `expire` or `detach`; `boundKeys` that the policy changes, null where none; `addedBytes`)",
    "plan.versions": "`storage` and `cluster` of the source, `target` (null: not given), `oldestEtcd` that starts with it, `removesStorageVersion`",
    "plan.walBeside":
      "the log beside a copied database: `directory`, `consistentIndex`, `lastIndex`, `missingEntries`, `endsWithoutRoom` (it may have been cut off), `damage`, `strangerId` (whose log it is, where that is none of the database's members); null for a snapshot, or where there is none",
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
};
