// Command lines that a plan prints, so that what it says can be done by copying: this run again, and runs that go by the saved plan.
import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { isAboutStores, OPTION_NAMES, type OptionName, optionSpec } from "../config/options.ts";
import { shownValue } from "../config/redact.ts";
import { shellCommand } from "../restore/instructions/shell-command.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { SourceFacts } from "../restore/source.ts";
import type { Invocation } from "./command.ts";

/** What changes from run to run, or says only what is printed. */
const OF_ONE_RUN: readonly OptionName[] = ["plan", "format", "log-format", "log-level", "from-plan", "member"];
/** Facts about the host that the command runs on: no plan knows them. */
const OF_THE_HOST: readonly OptionName[] = ["host-root", "bundle-dir", "cert", "key", "identity-file", "passphrase-file", "trusted-key"];
/** A URL, and not a path. */
const URL_START = /^[a-z][a-z0-9+.-]*:\/\//i;

/** For the plan: what a run on another host, or from another directory, has to name. */
export function repositoryOf(config: Config): RestorePlan["repository"] {
  const location = config.get("repository");
  return location === undefined ? null : { location: absoluteLocation(location), cluster: config.get("cluster") };
}

/** This command without --plan, with `changes` in place of what it has, and restoring this very source whatever is the latest by then. */
export function sameCommand({ config }: Invocation, source: SourceFacts, changes: Partial<Record<OptionName, string | true>>): string {
  const words = ["etcdsafe", "restore", sourceWord(source)];
  for (const name of OPTION_NAMES) {
    if (!optionSpec(name).commands.includes("restore") || OF_ONE_RUN.includes(name) || name in changes) continue;
    if (config.origin(name).kind === "flag") words.push(...flag(name, config.get(name)));
  }
  for (const [name, value] of Object.entries(changes)) words.push(...flag(name as OptionName, value));
  return shellCommand(words);
}

/** Restores `member` by the plan in `file`, or all that the plan writes. A repository that this run names counts, and else the one that the plan knows. */
export function fromPlanCommand({ config }: Invocation, { source, repository: planned }: RestorePlan, file: string, member: string | undefined): string {
  const words = ["etcdsafe", "restore"];
  if (source.kind === "snapshot-file") words.push(sourceWord(source));
  words.push("--from-plan", file);
  if (member !== undefined) words.push("--member", member);
  const repository = repositoryOf(config) ?? planned;
  if (repository !== null) {
    words.push("--repository", repository.location, "--cluster", config.origin("cluster").kind === "default" ? repository.cluster : config.get("cluster"));
    words.push(...storeFlags(config));
  }
  for (const name of OF_THE_HOST) if (config.origin(name).kind !== "default") words.push(...flag(name, config.get(name)));
  return shellCommand(words);
}

/** How this run reaches the repository's store. */
export function storeFlags(config: Config): string[] {
  const given = OPTION_NAMES.filter((name) => isAboutStores(name) && config.origin(name).kind !== "default");
  return given.flatMap((name) => flag(name, config.get(name)));
}

/** The id, not `latest`, which may be another one later; an absolute path, since the next shell may be elsewhere. */
function sourceWord({ backupId, location }: SourceFacts): string {
  return backupId ?? resolve(location);
}

function placeOrRevision(evidence: string): string {
  return /^\d+$/.test(evidence) ? evidence : resolve(evidence);
}

/** Paths are absolute, for the same reason. */
function flag(name: OptionName, value: unknown): string[] {
  const { kind } = optionSpec(name);
  if (kind === "boolean") return value === true ? [`--${name}`] : optionSpec(name).default === "true" ? [`--${name}=false`] : [];
  if (kind === "duration" || kind === "rate") return [`--${name}`, shownValue(name, value as number)];
  if (kind === "path" || kind === "secret-file") return [`--${name}`, resolve(String(value))];
  if (kind === "location") return [`--${name}`, absoluteLocation(String(value))];
  if (name === "evidence") return [`--${name}`, (value as readonly string[]).map(placeOrRevision).join(",")];
  const { paths } = optionSpec(name);
  if (paths !== undefined) return [`--${name}`, (value as readonly string[]).map((item) => (paths.but?.test(item) === true ? item : resolve(item))).join(",")];
  return [`--${name}`, Array.isArray(value) ? value.join(",") : String(value)];
}

/** A local path as it is called from any directory, a URL as it is. */
export function absoluteLocation(location: string): string {
  return URL_START.test(location) ? location : resolve(location);
}
