// What `verify` found, as GitHub's workflow commands: the runner reads them from what a step prints, and shows them above the log
// (docs.github.com/actions/reference/workflow-commands-for-github-actions).
import type { PassedOver } from "./junit.ts";
import { printableLine } from "./printable.ts";
import { placedNameOf, type Verified } from "./verified-text.ts";

/** GitHub shows so many of each kind for a step, and drops the rest silently. */
const SHOWN_MAX = 10;

interface Annotation {
  readonly kind: "error" | "warning";
  readonly title: string;
  readonly message: string;
}

/** A line for each backup that is not known to be good, and for what was found in the others; empty where there is nothing to tell. */
export function annotations(verified: readonly Verified[], passedOver: readonly PassedOver[]): string {
  const all = [...verified.flatMap(annotationsOf), ...passedOver.map(({ message }) => ({ kind: "warning", title: "passed over", message }) as const)];
  const lines = (["error", "warning"] as const).flatMap((kind) => shown(all.filter((each) => each.kind === kind)));
  return lines.map((line) => `${line}\n`).join("");
}

function annotationsOf(each: Verified): Annotation[] {
  const where = placedNameOf(each);
  const { failure } = each;
  if (failure !== null) return [{ kind: "error", title: `${failure.code}: ${where}`, message: `${failure.message}\n${failure.hint}` }];
  if (each.outcome === "not-verified") return []; // Which has a failure.
  return each.findings.map(({ text, object }) => ({ kind: "warning", title: where, message: `${object}: ${text}` }));
}

function shown(annotations: readonly Annotation[]): string[] {
  if (annotations.length <= SHOWN_MAX) return annotations.map(command);
  const [{ kind }] = annotations as [Annotation];
  const left = annotations.length - (SHOWN_MAX - 1);
  return [...annotations.slice(0, SHOWN_MAX - 1), { kind, title: `${left} more`, message: "The log of this step and the JUnit file have all." }].map(command);
}

/** As @actions/core escapes them, with other control characters made visible first. */
function command({ kind, title, message }: Annotation): string {
  const data = message
    .split("\n")
    .map((line) => escapedData(printableLine(line)))
    .join("%0A");
  return `::${kind} title=${escapedData(printableLine(title)).replaceAll(":", "%3A").replaceAll(",", "%2C")}::${data}`;
}

function escapedData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}
