// Gathers, for `restore`, all that shows how far the cluster's revisions went.
import { EtcdsafeError } from "../errors.ts";
import { type GatheredEvidence, joinEvidence, NO_EVIDENCE } from "../restore/evidence.ts";
import type { KnownBefore, RepositoryEvidence } from "../restore/evidence-repository.ts";
import type { SnapshotSource, SourceFacts } from "../restore/source.ts";
import { type WalBeside, walEvidence } from "../restore/wal-beside.ts";
import type { Invocation } from "./command.ts";
import { orForeign } from "./foreign.ts";
import { requirePath } from "./operand.ts";
import { openForReading } from "./repository.ts";

/** What is put aside when the restored cluster starts. */
export interface FormerData {
  readonly dataDir: string;
  readonly walDir?: string;
}

export interface EvidencePlaces {
  readonly former: readonly FormerData[];
  /** What lies beside the source. */
  readonly log: WalBeside | null;
  /** Of the cluster that is restored, where other runs may have put this very restore on record. */
  readonly ownClusterId: string | undefined;
}

/** Throws FILE_NOT_FOUND for what --evidence names and is not there. A directory of `former` need not be there. */
export async function gatherEvidence(
  invocation: Invocation,
  { facts: source, logPosition }: SnapshotSource,
  { former, log, ownClusterId }: EvidencePlaces,
): Promise<GatheredEvidence> {
  const texts = invocation.config.get("evidence") ?? [];
  for (const text of texts) if (!/^\d+$/.test(text)) await requirePath(text);
  const { dataDirectoryEvidence, givenEvidence, interruptedIn } = await import("../restore/evidence-files.ts");
  const clusterIds = [...(await interruptedIn(former.map(({ dataDir }) => dataDir))), ...(ownClusterId === undefined ? [] : [ownClusterId])];
  const gathered = joinEvidence([
    await evidenceFromRepository(invocation, { sourceId: source.backupId, clusterIds }),
    walEvidence(source, log),
    ...(await Promise.all(former.map(({ dataDir, walDir }) => dataDirectoryEvidence(dataDir, walDir, invocation)))),
    await givenEvidence(texts, logPosition, invocation),
  ]);
  return isAlone(invocation, source, gathered) ? { ...gathered, warnings: [ALONE] } : gathered;
}

/** Where a backup comes from its only repository, that shows that there was no other restore; no other source has restores on record. */
function isAlone({ config }: Invocation, { kind }: SourceFacts, { found, warnings }: GatheredEvidence): boolean {
  return kind !== "backup" && found.length === 0 && warnings.length === 0 && config.get("bump-revision") !== "none";
}

const ALONE =
  "Nothing but the source shows how far the cluster went. If it was restored before, its revisions are already beyond what the source can tell: " +
  "give --evidence with its last data directory or a revision that it has shown, or --repository and --cluster with its backups.";

const NOTHING: RepositoryEvidence = { ...NO_EVIDENCE, ofKnown: null };

/** None where no repository is named; of one that cannot be read a warning. */
export async function evidenceFromRepository(invocation: Invocation, known: KnownBefore): Promise<RepositoryEvidence> {
  const { config, signal } = invocation;
  if (config.get("repository") === undefined) return NOTHING;
  const { repositoryEvidence } = await import("../restore/evidence-repository.ts");
  try {
    return await orForeign(
      invocation,
      async () => repositoryEvidence(await openForReading(invocation), config.get("cluster"), known, invocation),
      async (location) => ({ ...NOTHING, ...(await (await import("../restore/evidence-foreign.ts")).foreignEvidence(location, known.sourceId)) }),
    );
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
    return {
      ...NOTHING,
      warnings: [`The repository cannot be read (${error.message}): the revisions that its backups and restores show are not counted.`],
    };
  }
}
