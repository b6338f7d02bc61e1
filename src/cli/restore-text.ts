// Plans and results of a restore for people.
import type { RestoreResult } from "../restore/apply.ts";
import { etcdCommand } from "../restore/instructions/etcd-command.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { SourceFacts } from "../restore/source.ts";
import type { SnapshotFileResult } from "../restore/to-snapshot.ts";
import { databaseHashText, formatSize } from "./format.ts";
import { facts, table } from "./output.ts";

/** What --plan prints. */
export function planText(plan: RestorePlan): string {
  const { source, revision, bytes } = plan;
  const rows = plan.members.map(({ name, id, peerUrls, dataDir, walDir }) => ({
    name,
    id,
    peerUrls: peerUrls.join(","),
    where: dataDir === null ? "(another run)" : directories(dataDir, walDir),
  }));
  return [
    facts([
      ["source", source.location],
      ["saved", source.createdAt],
      ["state", source.state],
      ["versions", versionsOf(source)],
      ["to be run by", etcdFor(source)],
      ["revision before", revision.before],
      [
        "revision after",
        revision.bumpedBy === null ? revision.after : `${revision.after} (moved ahead by ${revision.bumpedBy}; all before is marked as compacted)`,
      ],
      ["authentication", source.authEnabled ? "on, with the users of the source" : "off"],
      ["cluster id", plan.clusterId],
      ["token", plan.tokenGiven ? plan.token : `${plan.token} (new with each run; give --initial-cluster-token TOKEN to have these ids)`],
      [
        "to be written",
        `${formatSize(bytes.total)} (${formatSize(bytes.databasePerMember)} database and ${formatSize(bytes.walPerMember)} WAL, mostly empty, per member)`,
      ],
    ]),
    table(rows, [
      { title: "member", of: ({ name }) => name },
      { title: "id", of: ({ id }) => id },
      { title: "peer URLs", of: ({ peerUrls }) => peerUrls },
      { title: "directory", of: ({ where }) => where },
    ]),
    warningsText(plan.warnings),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** What `--to-snapshot FILE --plan` prints. */
export function snapshotPlanText(planned: SourceFacts, snapshot: Pick<SnapshotFileResult, "path" | "revision">, warnings: readonly string[]): string {
  return [snapshotText({ ...snapshot, planned }), warningsText(warnings)].filter((part) => part !== "").join("\n");
}

function warningsText(warnings: readonly string[]): string {
  return warnings.map((warning) => `! ${warning}\n`).join("");
}

/** What a restore prints when it is done. */
export function restoredText({ plan, hashKv, leftovers }: RestoreResult): string {
  const written = plan.members.filter(({ dataDir }) => dataDir !== null);
  const version = etcdFor(plan.source);
  const lines = [
    `Restored ${written.length === 1 ? "one member" : `${written.length} members`} of cluster ${plan.clusterId} at revision ${plan.revision.after}.`,
    ...written.map(({ name, id, dataDir, walDir }) => `  ${name} (${id}) in ${directories(dataDir!, walDir)}`),
    "",
    `To start ${written.length === 1 ? "it" : "them"}${version === undefined ? "" : ` (${version})`}, with client URLs and certificates added:`,
    ...written.map((member) => `  ${etcdCommand(member, plan.members, plan.quotaBackendBytes)}`),
    '("existing": should a directory be missing, etcd then refuses to start instead of serving an empty keyspace.)',
  ];
  lines.push("", proof(plan, hashKv));
  if (leftovers.length > 0) lines.push("", "An interrupted restore left these, which are safe to remove:", ...leftovers.map((path) => `  ${path}`));
  return `${lines.join("\n")}\n`;
}

/** How to see that the members hold what was saved. */
function proof({ walDialect }: RestorePlan, { hash, revision, compactRevision }: RestoreResult["hashKv"]): string {
  // Etcd 3.4 refuses the very revision it has compacted, but not to hash its latest, which is the same until something is written (etcd-formats §5.1).
  if (walDialect === "3.4" && revision === compactRevision) {
    return `Before anything is written, every member must then answer ${hash} to: etcdctl endpoint hashkv`;
  }
  return `Every member must then answer ${hash} to: etcdctl endpoint hashkv --rev ${revision}`;
}

/** The result of --to-snapshot, or what the plan for it says. */
export function snapshotText(
  snapshot: Pick<SnapshotFileResult, "path" | "revision"> & { readonly planned?: SourceFacts } & Partial<
      Pick<SnapshotFileResult, "sizeBytes" | "databaseSha256">
    >,
): string {
  return facts([
    ["source", snapshot.planned?.location],
    [snapshot.planned === undefined ? "written" : "to be written", snapshot.path],
    ["size", snapshot.sizeBytes === undefined ? undefined : formatSize(snapshot.sizeBytes)],
    ["revision", snapshot.revision.after],
    ["database SHA-256", snapshot.databaseSha256 && databaseHashText(snapshot.databaseSha256)],
  ]);
}

function directories(dataDir: string, walDir: string | null): string {
  return walDir === null ? dataDir : `${dataDir}, WAL in ${walDir}`;
}

/** Etcd reads what an older one wrote. An older one than wrote it may refuse to start: 3.6 does, with what is 3.7's (etcd-formats §4.8). */
function etcdFor({ storageVersion, clusterVersion }: SourceFacts): string | undefined {
  const minor = /^\d+\.\d+/.exec(storageVersion ?? clusterVersion ?? "")?.[0];
  return minor && `etcd ${minor} or newer`;
}

function versionsOf({ storageVersion, clusterVersion }: SourceFacts): string | undefined {
  if (storageVersion === null && clusterVersion === null) return undefined;
  return [storageVersion && `storage ${storageVersion}`, clusterVersion && `cluster ${clusterVersion}`].filter(Boolean).join(", ");
}
