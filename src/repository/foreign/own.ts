// Where etcdsafe's own repositories lie, by the keys at a location that is none: named one level too high or too deep, what is in them is not to be taken for
// another tool's. Pure.
import { parseBackupId, REPOSITORY_KEY, SNAPSHOT_OBJECT } from "../names.ts";

export interface OwnRepositories {
  /** `here`: one that has lost its file. `above`: the location is within one. */
  readonly place: "here" | "above" | "below" | "nowhere";
  /** What is before the keys of each. */
  readonly below: readonly string[];
}

/** A directory within a repository's: `default/backups/ID/manifest.json`, and what is left of that further down. */
const MANIFEST = /^(?:(?:(?:(.+)\/)?[^/]+\/)?backups\/)?([^/]+)\/manifest\.json$/;

export function ownRepositories(keys: readonly string[]): OwnRepositories {
  const below = new Set<string>();
  let isAbove = keys.includes("manifest.json") && keys.some((key) => key.startsWith(SNAPSHOT_OBJECT));
  for (const key of keys) {
    if (key.endsWith(`/${REPOSITORY_KEY}`)) below.add(key.slice(0, -REPOSITORY_KEY.length - 1));
    const [, prefix, id] = MANIFEST.exec(key) ?? [];
    if (id === undefined || parseBackupId(id) === undefined) continue;
    if (prefix !== undefined) below.add(prefix);
    else if (/^[^/]+\/backups\//.test(key)) return { place: "here", below: [] };
    else isAbove = true;
  }
  return { place: isAbove ? "above" : below.size > 0 ? "below" : "nowhere", below: [...below].sort() };
}
