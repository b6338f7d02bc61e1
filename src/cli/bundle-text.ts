// What a backup holds beside its snapshot, in a line.
import type { Manifest } from "../repository/manifest.ts";
import { formatSize } from "./format.ts";

export function bundleText({ entries, sizeBytes, presets, kinds, containsPrivateKeys }: NonNullable<Manifest["bundle"]>): string {
  const from = presets.length === 0 ? "" : ` (${presets.join(", ")})`;
  const what = kinds.length === 0 ? "" : `: ${kinds.join(", ")}`;
  return `${entries} ${entries === 1 ? "entry" : "entries"}${from}, ${formatSize(sizeBytes)}${what}${containsPrivateKeys ? "; secret" : ""}`;
}
