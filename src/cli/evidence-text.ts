// How far the cluster went, what of that a restore loses, and where revisions go on, for people.
import type { PlannedLoss } from "../restore/loss.ts";
import type { PlannedRevision } from "../restore/revision.ts";
import { formatSpan } from "./format.ts";
import { table } from "./output.ts";

/** Rows of a plan's facts. */
export function revisionFacts({ revision, loss }: { readonly revision: PlannedRevision; readonly loss: PlannedLoss }): [label: string, text: string][] {
  const { before, after, bumpedBy } = revision;
  return [
    ["lost", lossText(loss)],
    ["revision before", before],
    ["revision after", bumpedBy === null ? after : `${after} (moved ahead by ${bumpedBy}; all before is marked as compacted)`],
  ];
}

/** What the revision was chosen by; the source alone needs no table. */
export function evidenceText({ evidence }: PlannedRevision): string {
  if (evidence.length < 2) return "";
  return table(evidence, [
    { title: "evidence of revisions", of: ({ where }) => where },
    { title: "up to", align: "right", of: ({ revision, isUpperBound }) => `${isUpperBound ? "≤ " : ""}${revision}` },
    { title: "at", of: ({ at }) => at ?? "" },
  ]);
}

/** Counted to the newest thing that shows how far the cluster went; of what came after that, nothing is known. */
function lossText({ newest, revisions, secondsBetween, upperBound }: PlannedLoss): string {
  if (newest === null) return "nothing newer than the source is known";
  const span = secondsBetween === null ? null : formatSpan(secondsBetween * 1000);
  // All revisions between are ones that an earlier restore jumped over.
  if (revisions === "0") {
    const time = span === null ? "" : `, ${span} after the source`;
    return `no revision that is known, but whatever was written since an earlier restore went on at ${newest.revision}${time} (${newest.where})`;
  }
  const time = span === null ? "" : ` in ${span}`;
  const count = `${upperBound ? "at most" : "at least"} ${revisions} revision${revisions === "1" ? "" : "s"}`;
  return `${count}${time}, up to ${newest.revision} (${newest.where})`;
}
