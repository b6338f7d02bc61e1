// `etcdsafe show BACKUP`
import { tmpdir } from "node:os";
import { EtcdsafeError } from "../../errors.ts";
import { type BackupEntry, listClusters } from "../../repository/catalogue.ts";
import { type Manifest, snapshotObject } from "../../repository/manifest.ts";
import { encryptedTo } from "../../repository/object-decoder.ts";
import { type Pin, readPin } from "../../repository/pins.ts";
import type { Repository } from "../../repository/repository.ts";
import { findBackup, type ResolveOptions, resolveBackup } from "../../repository/resolve.ts";
import { bundleText } from "../bundle-text.ts";
import type { Invocation } from "../command.ts";
import { orForeign } from "../foreign.ts";
import { formatSize } from "../format.ts";
import { orFileOfThatName, requireNotEmpty } from "../operand.ts";
import { facts, table } from "../output.ts";
import { provesOrigin } from "../protection.ts";
import { openForShowing } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { runtime, signal } = invocation;
  const reference = invocation.operands[0]!;
  const resolving = { signal, passedOver: (message: string) => runtime.log({ level: "warn", message }) };
  requireNotEmpty(reference);
  return orForeign(
    invocation,
    () => showOurs(invocation, reference, resolving),
    async (location) =>
      (await import("../foreign-summary.ts")).printForeign(invocation, location, reference, { ...resolving, runtime, spoolDirectory: tmpdir() }),
  );
}

async function showOurs(invocation: Invocation, reference: string, resolving: ResolveOptions): Promise<number> {
  const { config, output } = invocation;
  const { entry, location, pin } = await orFileOfThatName(
    reference,
    (path) => `\`etcdsafe inspect ${path}\` tells about it.`,
    async () => {
      const repository = await openForShowing(invocation);
      const entry = config.get("all-clusters")
        ? await findInAnyCluster(repository, reference, resolving)
        : await resolveBackup(repository, config.get("cluster"), reference, resolving);
      const { cluster, id } = entry.manifest;
      return { entry, location: repository.storage.location, pin: (await readPin(repository.storage, cluster, id, resolving)) ?? null };
    },
  );
  const { manifest, state, damage, verifications, storedSizeBytes, isSigned: signed } = entry;
  const known = { state, damage, storedSizeBytes, signed, pin, manifest, verifications: Object.values(verifications) };
  output.print(known, () => entryText(entry, pin, location, provesOrigin(config)));
  return 0;
}

/** Throws BACKUP_NOT_FOUND, and BACKUP_AMBIGUOUS where several clusters have one. */
async function findInAnyCluster(repository: Repository, reference: string, options: ResolveOptions): Promise<BackupEntry> {
  const found: { cluster: string; entry: BackupEntry }[] = [];
  for (const cluster of await listClusters(repository, options)) {
    const entry = await findBackup(repository, cluster, reference, options);
    if (entry !== undefined) found.push({ cluster, entry });
  }
  if (found[0] === undefined)
    throw new EtcdsafeError("BACKUP_NOT_FOUND", `no cluster of ${repository.storage.location} has a backup "${reference}"`, {
      hint: "`etcdsafe list --all-clusters` shows what there is.",
    });
  if (found.length === 1) return found[0].entry;
  throw new EtcdsafeError("BACKUP_AMBIGUOUS", `"${reference}" may mean a backup of ${found.map(({ cluster }) => cluster).join(", ")}`, {
    hint: "Say of which one with --cluster.",
  });
}

function entryText(entry: BackupEntry, pin: Pin | null, location: string, isProven: boolean): string {
  const { manifest, state, damage, verifications, storedSizeBytes, isSigned } = entry;
  const { counts, servingMember, hashKv, snapshot } = manifest;
  const parts = [
    facts([
      ["backup", manifest.id],
      ["repository", location],
      ["cluster", `${manifest.cluster}${manifest.clusterId === null ? "" : ` (id ${manifest.clusterId})`}`],
      ["state", state],
      ["why", damage.length > 0 ? damage.join("; ") : manifest.stateWhy],
      ["created", manifest.createdAt],
      ["published", manifest.publishedAt],
      [
        "from member",
        servingMember === null ? null : `${servingMember.name} (${servingMember.id}) at ${servingMember.endpoint}, etcd ${servingMember.etcdVersion}`,
      ],
      ["without quorum", manifest.quorumSeen === false ? "yes" : null],
      ["timeline", `${manifest.timeline}${manifest.timelineBegan === null ? "" : `, begun by this backup: ${manifest.timelineBegan.detail}`}`],
      ["revision", manifest.revision],
      ["compacted up to", manifest.compactRevision === "-1" ? "nothing yet" : manifest.compactRevision],
      ["HashKV", hashKv === null ? null : `${hashKv.hash} at revision ${hashKv.revision}`],
      ["keys", counts?.keys],
      ["revisions kept", counts?.revisions],
      ["leases", counts?.leases],
      ["users", counts?.users],
      ["alarms", manifest.alarms?.map(({ alarm, memberId }) => `${alarm} of ${memberId}`).join(", ")],
      ["authentication", manifest.authEnabled === null ? null : manifest.authEnabled ? "on" : "off"],
      ["size", `${formatSize(snapshot.dataSizeBytes)}, stored as ${formatSize(storedSizeBytes)}`],
      ["encrypted", snapshotObject(manifest).encryption === null ? "no" : encryptedTo(snapshotObject(manifest))],
      ["signed", isSigned ? "yes" : "no"],
      ["origin", isProven ? "signed by a key that is trusted" : "not proven (no --trusted-key)"],
      ["pinned", pin === null ? "no" : `${pin.pinnedAt === null ? "" : `${pin.pinnedAt}: `}${pin.reason}`],
      ...(manifest.origin.kind === "rekeyed" ? [["rekeyed from", manifest.origin.base] as const] : []),
      ["bundle", manifest.bundle === undefined ? null : bundleText(manifest.bundle)],
      ["SHA-256", snapshot.dataSha256],
      ["checked", manifest.checked.join(", ")],
      ...manifest.warnings.map((warning) => ["warning", warning] as const),
      ...Object.entries(manifest.tags).map(([name, value]) => [`tag ${name}`, value] as const),
    ]),
    membersText(manifest),
    verificationsText(verifications),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function membersText({ comparison }: Manifest): string {
  if (comparison.members.length === 0) return `Members were not compared${comparison.why === null ? "" : `: ${comparison.why}`}.\n`;
  return table(comparison.members, [
    { title: "member", of: ({ name, id }) => `${name} (${id})` },
    { title: "role", of: ({ serving }) => (serving ? "served the snapshot" : "") },
    { title: "HashKV", of: ({ outcome, why }) => (why === null ? outcome : `${outcome}: ${why}`) },
  ]);
}

function verificationsText(verifications: BackupEntry["verifications"]): string {
  const results = Object.values(verifications);
  if (results.length === 0) return "Never verified since it was stored.\n";
  return table(results, [
    { title: "verified", of: ({ finishedAt }) => finishedAt },
    { title: "level", of: ({ level }) => level },
    {
      title: "outcome",
      of: ({ outcome, failure, findingsTotal }) =>
        `${outcome}${failure === null ? "" : `: ${failure.message}`}${findingsTotal === 0 ? "" : `, ${findingsTotal} findings`}`,
    },
  ]);
}
