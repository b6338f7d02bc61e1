// What a copy did, or would do, as text.
import type { CopiedBackup } from "../copy/copy.ts";
import { encryptedTo } from "../repository/object-decoder.ts";
import { formatSize } from "./format.ts";
import { printableLine } from "./printable.ts";

/** `done`: "copied", or "would be copied". */
export function copyText(backups: readonly CopiedBackup[], { from, to }: { readonly from: string; readonly to: string }, done: string): string {
  if (backups.length === 0) return `There is nothing to copy in ${from}.\n`;
  const lines = backups.map((each) => `${each.cluster}/${each.backup}  ${outcomeText(each, done)}\n`);
  const copied = backups.filter(({ outcome }) => outcome === "copied");
  const count = (outcome: CopiedBackup["outcome"]) => backups.filter((each) => each.outcome === outcome).length;
  const parts = [
    `${copied.length} ${done} to ${to} (${formatSize(copied.reduce((sum, { storedSizeBytes }) => sum + (storedSizeBytes ?? 0), 0))})`,
    count("present") > 0 ? `${count("present")} there already` : "",
    count("failed") > 0 ? `${count("failed")} NOT COPIED` : "",
  ];
  return `${lines.join("")}${parts.filter((part) => part !== "").join(", ")}.\n`;
}

function outcomeText({ backup, outcome, as, encryption, failure }: CopiedBackup, done: string): string {
  if (outcome === "failed") return `NOT COPIED  ${failure?.code}: ${printableLine(failure?.message ?? "")}`;
  if (outcome === "present") return as === backup ? "is there already" : `is there already, as ${as}`;
  return `${done}${encryption === null ? "" : `, encrypted ${encryptedTo({ encryption })}`}`;
}
