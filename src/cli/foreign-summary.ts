// Other tools' backups for people and programs: rows of `list`, the facts of `show`.
import type { ForeignLocation } from "../repository/foreign/location.ts";
import { type ForeignBackup, isDamage } from "../repository/foreign/look.ts";
import { type ForeignReading, readForeign } from "../repository/foreign/read.ts";
import { chooseForeign, newerDeltas, type ResolveForeignOptions, resolveForeign } from "../repository/foreign/resolve.ts";
import type { Invocation } from "./command.ts";
import { formatAge, formatSize } from "./format.ts";
import { facts, table } from "./output.ts";
import { printableLine } from "./printable.ts";

/** Plain JSON: one row of `list`. */
export interface ForeignSummary {
  readonly id: string;
  readonly key: string;
  readonly state: "unconfirmed" | "damaged";
  readonly createdAt: string;
  readonly revision: string | null;
  /** A name's is the least that the backup holds. */
  readonly revisionFrom: "content" | "name" | null;
  readonly packing: ForeignBackup["packing"];
  readonly final: boolean;
  readonly storedSizeBytes: number;
  readonly newerDeltas: { readonly count: number; readonly lastRevision: string } | null;
  readonly faults: readonly string[];
}

const LAYOUTS: Readonly<Record<ForeignLocation["layout"], string>> = { etcdbrctl: "a bucket of etcdbrctl", "snapshot-files": "snapshot files" };
const NO_HASH = "no SHA-256 at its end: only its structure vouches for its bytes";

/** `etcdsafe list`. Resolves to the exit code. */
export function printForeignList({ output, runtime }: Invocation, location: ForeignLocation): number {
  const summaries = location.backups.map((backup) => summaryOf(location, backup));
  const nowMs = runtime.now().getTime();
  output.print({ location: location.storage.location, layout: location.layout, backups: summaries }, () => {
    const withDeltas = location.layout === "etcdbrctl";
    const rows = table(summaries, [
      { title: "id", of: ({ id }) => id },
      { title: "state", of: ({ state }) => state },
      { title: "age", align: "right", of: ({ createdAt }) => formatAge(nowMs - Date.parse(createdAt)) },
      { title: "revision", align: "right", of: revisionText },
      { title: "packed", of: ({ packing }) => (packing === "none" ? "" : packing) },
      { title: "stored", align: "right", of: ({ storedSizeBytes }) => formatSize(storedSizeBytes) },
      ...(withDeltas ? [{ title: "newer deltas", of: deltasText }] : []),
    ]);
    const faults = summaries.flatMap(({ id, state, faults }) => (faults.length === 0 ? [] : [`${id} is ${state}: ${printableLine(faults.join("; "))}\n`]));
    return [
      `${location.storage.location} is no repository; it holds ${LAYOUTS[location.layout]}. Deltas are not applied by this version.\n`,
      rows,
      faults.join(""),
    ]
      .filter((part) => part !== "")
      .join("\n")
      .replace(withDeltas ? "" : " Deltas are not applied by this version.", "");
  });
  return 0;
}

/** `etcdsafe show`. Resolves to the exit code. */
export async function printForeign({ output }: Invocation, location: ForeignLocation, reference: string, options: ResolveForeignOptions): Promise<number> {
  const { backup, reading, damage } = await readNamed(location, reference, options);
  const summary = summaryOf(location, backup, reading, damage);
  const { peek, rawSizeBytes, dataSha256 } = reading ?? {};
  const inside = peek && {
    compactRevision: peek.compactRevision.toString(),
    ...{ storageVersion: peek.storageVersion ?? null, clusterVersion: peek.clusterVersion ?? null },
    ...{ leases: peek.leases, authEnabled: peek.authEnabled, alarms: peek.alarms.map(({ alarm }) => alarm), members: peek.members.map(({ name }) => name) },
  };
  const { storage, layout } = location;
  output.print({ location: storage.location, layout, ...summary, rawSizeBytes: rawSizeBytes ?? null, databaseSha256: dataSha256 ?? null, ...inside }, () =>
    facts([
      ["backup", summary.id],
      ["location", `${storage.location}, ${LAYOUTS[layout]}: nothing is written there`],
      ["state", summary.state],
      ["why", summary.state === "damaged" ? summary.faults.join("; ") : "another tool took it: whether its member agreed with the others is not known"],
      ["created", summary.createdAt],
      ["revision", summary.revision === null ? null : revisionText(summary)],
      ["revision in its name", differsFromName(backup, reading) ? String(backup.namedRevision) : null],
      ["newer deltas", summary.newerDeltas === null ? null : `${deltasText(summary)}; not applied by this version`],
      ["final", summary.final ? "yes: the cluster was shut down after it" : null],
      ["compacted up to", inside && (inside.compactRevision === "-1" ? "nothing yet" : inside.compactRevision)],
      ["versions", inside && [inside.storageVersion, inside.clusterVersion && `cluster ${inside.clusterVersion}`].filter(Boolean).join(", ")],
      ["leases", inside?.leases],
      ["alarms", inside?.alarms.join(", ")],
      ["authentication", inside && (inside.authEnabled ? "on" : "off")],
      ["members", inside?.members.join(", ")],
      ["size", `${rawSizeBytes === undefined ? "" : `${formatSize(rawSizeBytes)}, `}stored as ${formatSize(summary.storedSizeBytes)}`],
      ["SHA-256", reading === undefined ? null : (dataSha256 ?? NO_HASH)],
      ["structure", reading === undefined ? null : "not checked: `etcdsafe verify` does"],
    ]),
  );
  return 0;
}

interface Named {
  readonly backup: ForeignBackup;
  readonly reading?: ForeignReading;
  readonly damage?: string;
}

/** One that is named is shown, whatever is wrong with it. */
async function readNamed(location: ForeignLocation, reference: string, options: ResolveForeignOptions): Promise<Named> {
  if (reference === "latest" || reference === "oldest") return resolveForeign(location, reference, options);
  const backup = chooseForeign(location, reference, options);
  try {
    return { backup, reading: await readForeign(location, backup, options) };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { backup, damage: error.message };
  }
}

function summaryOf(location: ForeignLocation, backup: ForeignBackup, reading?: ForeignReading, damage: string | undefined = backup.damage): ForeignSummary {
  const { name, key, createdAt, packing, isFinal, storedSizeBytes, namedRevision, hasHash } = backup;
  const content = reading?.peek.revision ?? backup.revision;
  const revision = content ?? namedRevision;
  const newer = revision === undefined ? undefined : newerDeltas(location, revision);
  const noHash = reading === undefined ? hasHash === false : reading.dataSha256 === undefined;
  return {
    ...{ id: name, key, state: damage === undefined ? "unconfirmed" : "damaged", createdAt: createdAt.toISOString() },
    revision: revision?.toString() ?? null,
    revisionFrom: content !== undefined ? "content" : namedRevision !== undefined ? "name" : null,
    ...{ packing, final: isFinal, storedSizeBytes },
    newerDeltas: newer === undefined ? null : { count: newer.count, lastRevision: newer.lastRevision.toString() },
    faults: damage !== undefined ? [damage] : noHash ? [NO_HASH] : [],
  };
}

function revisionText({ revision, revisionFrom }: ForeignSummary): string {
  if (revision === null) return "";
  return revisionFrom === "name" ? `≥ ${revision}` : revision;
}

function deltasText({ newerDeltas: newer }: ForeignSummary): string {
  return newer === null ? "" : `${newer.count}, up to ${newer.lastRevision}`;
}

function differsFromName({ namedRevision }: ForeignBackup, reading: ForeignReading | undefined): boolean {
  return namedRevision !== undefined && reading !== undefined && namedRevision !== reading.peek.revision;
}
