// Evidence from a location of another tool's backups: their contents as far as they are known without unpacking them, and what their names say.
import type { ForeignLocation } from "../repository/foreign/location.ts";
import { lastPart } from "../repository/foreign/names.ts";
import { type Evidence, type GatheredEvidence, highest, NO_EVIDENCE } from "./evidence.ts";

/** Of all that is there but the source, whose `sourceId` is its name or key, what shows the highest revision. Pure. */
export function foreignEvidence({ storage, backups, deltas }: ForeignLocation, sourceId: string | null): GatheredEvidence {
  const others = backups.filter(({ name, key }) => name !== sourceId && key !== sourceId);
  const named = [
    ...others.map(({ key, createdAt, revision, namedRevision }) => ({ key, createdAt, revision: revision ?? namedRevision })),
    ...deltas.map(({ key, createdAt, lastRevision }) => ({ key, createdAt, revision: lastRevision })),
  ];
  const found = named.flatMap(({ key, createdAt, revision }): Evidence[] => {
    if (revision === undefined) return [];
    const where = `${storage.location}: ${lastPart(key)}`;
    return [{ kind: "backup", where, revision: revision.toString(), isUpperBound: false, at: createdAt.toISOString() }];
  });
  const source = backups.find(({ name, key }) => name === sourceId || key === sourceId);
  const unread = others.filter(
    ({ createdAt, revision, namedRevision }) => (revision ?? namedRevision) === undefined && !(source && createdAt < source.createdAt),
  );
  const most = highest(found);
  return { ...NO_EVIDENCE, found: most === undefined ? [] : [most], warnings: unread.length === 0 ? [] : [unreadWarning(unread.map(({ name }) => name))] };
}

function unreadWarning(names: readonly string[]): string {
  const [first] = names;
  const those = names.length === 1 ? first : `${first} and ${names.length - 1} more`;
  return `Not looked into, being packed or damaged, and newer than what is restored: ${those}. The revisions that they show are not counted.`;
}
