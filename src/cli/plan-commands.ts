// Command lines that a plan prints, so that what it says can be done by copying: this run again, and runs that go by the saved plan.
import { resolve } from "node:path";
import { OPTION_NAMES, type OptionName, optionSpec } from "../config/options.ts";
import { shellCommand } from "../restore/instructions/shell-command.ts";
import type { SourceFacts } from "../restore/source.ts";
import type { Invocation } from "./command.ts";

/** What changes from run to run, or says only what is printed. */
const OF_ONE_RUN: readonly OptionName[] = ["plan", "format", "log-format", "log-level", "from-plan", "member"];
/** Facts about the host that the command runs on: no plan knows them. */
const OF_THE_HOST: readonly OptionName[] = ["repository", "cluster", "host-root", "cert", "key"];

/** This command without --plan, with `changes` in place of what it has, and restoring this very source whatever is the latest by then. */
export function sameCommand({ config }: Invocation, source: SourceFacts, changes: Partial<Record<OptionName, string | true>>): string {
  const words = ["etcdsafe", "restore", sourceWord(source)];
  for (const name of OPTION_NAMES) {
    if (!optionSpec(name).commands.includes("restore") || OF_ONE_RUN.includes(name) || name in changes) continue;
    const value = name === "evidence" ? config.get("evidence")?.map(placeOrRevision) : config.get(name);
    if (config.origin(name).kind === "flag") words.push(...flag(name, value));
  }
  for (const [name, value] of Object.entries(changes)) words.push(...flag(name as OptionName, value));
  return shellCommand(words);
}

/** Restores `member` by the plan in `file`, or all that the plan writes. */
export function fromPlanCommand({ config }: Invocation, source: SourceFacts, file: string, member: string | undefined): string {
  const words = ["etcdsafe", "restore"];
  if (source.kind === "snapshot-file") words.push(sourceWord(source));
  words.push("--from-plan", file);
  if (member !== undefined) words.push("--member", member);
  for (const name of OF_THE_HOST) if (config.origin(name).kind !== "default") words.push(...flag(name, config.get(name)));
  return shellCommand(words);
}

/** The id, not `latest`, which may be another one later; an absolute path, since the next shell may be elsewhere. */
function sourceWord({ backupId, location }: SourceFacts): string {
  return backupId ?? resolve(location);
}

function placeOrRevision(evidence: string): string {
  return /^\d+$/.test(evidence) ? evidence : resolve(evidence);
}

function flag(name: OptionName, value: unknown): string[] {
  if (optionSpec(name).kind === "boolean") return value === true ? [`--${name}`] : [];
  return [`--${name}`, Array.isArray(value) ? value.join(",") : String(value)];
}
