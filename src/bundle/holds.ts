// What a manifest says of its bundle, so that a listing or a plan can tell of it without the key that opens it; and whether that is true. Pure.
import type { Manifest } from "../repository/manifest.ts";
import { isSecret } from "./content.ts";
import type { GatheredBundle } from "./gather.ts";
import type { Bundle } from "./read.ts";

export function bundleHolds({ entries, presets, kinds }: Pick<GatheredBundle, "entries" | "presets" | "kinds">): NonNullable<Manifest["bundle"]> {
  const sizeBytes = entries.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0);
  return { entries: entries.length, sizeBytes, presets: [...presets], kinds: [...kinds], containsPrivateKeys: isSecret(kinds) };
}

/** One sentence for each difference. A manifest of a backup that was made out of another one has that one's bundle, as it is. */
export function bundleDifferences({ id, cluster, origin, bundle: said }: Manifest, { index, entries }: Bundle): string[] {
  const isOfBase = origin.kind === "rekeyed" || origin.kind === "compacted";
  const isOther = !isOfBase && (index.backup !== id || index.cluster !== cluster);
  const differences = isOther ? [`the manifest's bundle belongs to ${index.cluster}/${index.backup}`] : [];
  if (said === undefined) return differences;
  const sizeBytes = entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const found = { entries: entries.length, sizeBytes, containsPrivateKeys: index.containsPrivateKeys };
  for (const [key, value] of Object.entries(found)) {
    const expected = said[key as keyof typeof found];
    if (value !== expected) differences.push(`the manifest's bundle.${key} is ${expected}, the bundle's ${value}`);
  }
  return differences;
}
