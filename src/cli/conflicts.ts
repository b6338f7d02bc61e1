// Options that contradict each other. Of two, the one from the stronger origin counts, as it does of two values of one option: what was typed beats the
// environment, and that the file. The other is then as if not given, and beats nothing. Of the same origin nobody knows which was meant.
import type { Config } from "../config/config.ts";
import type { CommandName } from "../config/option.ts";
import { DONE_BY_AGENT, isAboutStores, OPTION_NAMES, type OptionName, optionSpec } from "../config/options.ts";
import { type Fault, rankOf } from "../config/origin.ts";
import { REPORTED } from "../config/reporting-options.ts";
import { EtcdsafeError } from "../errors.ts";
import type { LogEvent } from "../runtime.ts";
import { readOperand } from "./operand.ts";

interface Conflict {
  readonly commands: readonly CommandName[];
  readonly option: OptionName;
  /** Each of them contradicts `option`, but not the others. */
  readonly others: readonly OptionName[];
  /** Completes "--option and --other: …". */
  readonly why: string;
  /** Where it depends on the values. */
  applies?(config: Config): boolean;
}

/** What no plan can say, besides how to reach a store: where things are seen from this host, what holds at the moment only, and what is to be printed. */
const BESIDE_A_PLAN: readonly OptionName[] = [
  "from-plan",
  "member",
  "repository",
  "cluster",
  "plan",
  "etcd-is-stopped",
  "host-root",
  "bundle-dir",
  "cert",
  "key",
  "identity-file",
  "passphrase-file",
  "trusted-key",
];
const IN_MEMBERS_FILE: readonly OptionName[] = ["initial-cluster", "initial-advertise-peer-urls", "data-dir", "wal-dir"];

const CONFLICTS: readonly Conflict[] = [
  {
    commands: ["save"],
    option: "output",
    others: ["repository", "cluster", "check-members-every"],
    why: "a plain snapshot goes to no repository",
  },
  {
    commands: ["save"],
    option: "output",
    others: ["include", "include-preset", "tag", "prune", "verify"],
    why: "a plain snapshot holds nothing beside the database",
  },
  { commands: ["save"], option: "output", others: ["spool-dir"], why: "there is no local copy but the output itself" },
  {
    commands: ["save"],
    option: "output",
    others: ["check-members"],
    why: "what is passed on as it comes is not compared with the members",
    applies: (config) => config.get("output") === "-" && config.get("check-members") !== "none",
  },
  {
    commands: ["save"],
    option: "output",
    others: ["format"],
    why: "standard output cannot hold both the snapshot and a document",
    applies: (config) => config.get("output") === "-" && config.get("format") === "json",
  },
  { commands: ["save"], option: "no-spool", others: ["spool-dir"], why: "there is no local copy to put there" },
  { commands: ["save"], option: "no-spool", others: ["check-members-every"], why: "without a local copy, no members are compared" },
  {
    commands: ["save"],
    option: "no-spool",
    others: ["check-members"],
    why: "without a local copy, no members are compared",
    applies: (config) => config.get("check-members") !== "none",
  },
  {
    commands: ["save"],
    option: "check-members-every",
    others: ["check-members"],
    why: "no members are to be compared, however long ago that was",
    applies: (config) => config.get("check-members") === "none",
  },
  {
    commands: ["save"],
    option: "output",
    others: ["recipient", "recipients-file", "passphrase-file", "sign-key-file"],
    why: "a plain snapshot is not encrypted",
  },
  { commands: ["save"], option: "unencrypted", others: ["recipient", "recipients-file", "passphrase-file"], why: "encrypted, or not" },
  { commands: ["repo rekey"], option: "unsigned", others: ["sign-key-file", "sign-unproven"], why: "signed, or not" },
  { commands: ["copy"], option: "unencrypted", others: ["recipient", "recipients-file", "new-passphrase-file"], why: "encrypted, or not" },
  { commands: ["save"], option: "passphrase-file", others: ["recipient", "recipients-file"], why: "age encrypts to recipients, or with one passphrase" },
  {
    commands: ["copy", "repo rekey"],
    option: "new-passphrase-file",
    others: ["recipient", "recipients-file"],
    why: "age encrypts to recipients, or with one passphrase",
  },
  { commands: ["list", "show", "verify", "copy"], option: "all-clusters", others: ["cluster"], why: "all or one" },
  { commands: ["restore"], option: "from-plan", others: plannedOptions(), why: "the plan says that, and nothing is planned again" },
  { commands: ["restore"], option: "to-snapshot", others: optionsAboutMembers(), why: "a snapshot file has no members" },
  {
    commands: ["restore"],
    option: "to-snapshot",
    others: ["distro"],
    why: "this distribution's members are written as directories",
    applies: (config) => config.get("distro") === "kubeadm" || config.get("distro") === "systemd",
  },
  { commands: ["restore"], option: "members", others: IN_MEMBERS_FILE, why: "the members file says that as well" },
  { commands: ["restore"], option: "all-members", others: ["name", ...IN_MEMBERS_FILE], why: "all members of a file, or one" },
  { commands: ["restore"], option: "expire-leases", others: ["keep-leased-keys"], why: "keys that are bound to leases are deleted, or kept" },
  {
    commands: ["restore"],
    option: "mark-compacted",
    others: ["bump-revision"],
    why: "with none, nothing can be marked: what is compacted must lie behind the revision",
    applies: (config) => config.get("bump-revision") === "none",
  },
  { commands: ["verify"], option: "all", others: ["since"], why: "all, or those since then" },
  { commands: REPORTED, option: "heartbeat-file", others: ["heartbeat"], why: "both say where to" },
  { commands: REPORTED, option: "notify-file", others: ["notify"], why: "both say where to" },
];

/** One option that contradicts another, both of them given. */
interface Contradiction {
  readonly option: OptionName;
  readonly other: OptionName;
  readonly why: string;
}

interface Settled {
  /** Each that does not count, with the option that counts in its place. */
  readonly beaten: ReadonlyMap<OptionName, { readonly by: OptionName; readonly why: string }>;
  /** Of one origin, and beaten by none. */
  readonly undecided: readonly Contradiction[];
}

/**
 * The configuration without the options that others beat, each of which is logged. Throws USAGE for two of one origin that contradict each other, and
 * for an operand of `verify` beside what stands for several backups, or for a file beside metrics.
 */
export function settleConflicts(given: Config, command: CommandName, operands: readonly string[], log: (event: LogEvent) => void): Config {
  const config = command === "verify" && operands.length > 0 ? preferOperand(given, operands[0]!, log) : given;
  const { beaten, undecided } = settle(config, command);
  const [first] = undecided;
  if (first !== undefined)
    throw new EtcdsafeError("USAGE", `${config.said(first.option)} and ${config.said(first.other)}: ${first.why}`, { hint: "Give one of the two." });
  const together = Map.groupBy(beaten, ([, { by, why }]) => `${config.said(by)} is given: ${why}`);
  let left = config;
  for (const [why, those] of together)
    left = without(
      left,
      those.map(([name]) => name),
      why,
      log,
    );
  return left;
}

/** What settleConflicts would refuse, for whichever commands, as faults of the configuration. */
export function conflictFaults(config: Config): Fault[] {
  const commands = [...new Set(CONFLICTS.flatMap((conflict) => conflict.commands))];
  const found = commands.flatMap((command) => settle(config, command).undecided.map((contradiction) => ({ ...contradiction, command })));
  return [...Map.groupBy(found, ({ option, other, why }) => `${option} ${other} ${why}`).values()].map((same) => {
    const { option, other, why } = same[0]!;
    const verbs = same.map(({ command }) => `\`${command}\``).join(", ");
    return { origin: config.origin(option), key: option, text: `contradicts ${config.said(other)} in ${verbs}: ${why}` };
  });
}

/** The strongest origin first, since what does not count itself must not beat another. */
function settle(config: Config, command: CommandName): Settled {
  const contradictions = contradictionsIn(config, command);
  const rank = (name: OptionName) => rankOf(config.origin(name));
  const ranks = [...new Set(contradictions.flatMap(({ option, other }) => [rank(option), rank(other)]))].sort((a, b) => b - a);
  const beaten = new Map<OptionName, { by: OptionName; why: string }>();
  const undecided: Contradiction[] = [];
  for (const strongest of ranks) {
    for (const contradiction of contradictions.filter(({ option, other }) => !beaten.has(option) && !beaten.has(other))) {
      const { option, other, why } = contradiction;
      const [by, weaker] = rank(option) >= rank(other) ? [option, other] : [other, option];
      if (rank(by) !== strongest) continue;
      if (rank(weaker) === strongest) undecided.push(contradiction);
      else if (!beaten.has(weaker)) beaten.set(weaker, { by, why });
    }
  }
  return { beaten, undecided };
}

function contradictionsIn(config: Config, command: CommandName): Contradiction[] {
  const done = command === "agent" ? DONE_BY_AGENT : [command];
  const concerned = CONFLICTS.filter(({ commands }) => done.some((each) => commands.includes(each)));
  return concerned
    .filter(({ option, applies }) => isGiven(config, option) && applies?.(config) !== false)
    .flatMap(({ option, others, why }) => others.filter((other) => isGiven(config, other)).map((other) => ({ option, other, why })));
}

function preferOperand(config: Config, operand: string, log: (event: LogEvent) => void): Config {
  const one = preferTo(config, operand, { others: ["all", "all-clusters", "since"], why: "one or the other", log });
  if (readOperand(operand).kind === "backup") return one;
  return preferTo(one, operand, { others: ["textfile", "pushgateway"], why: "metrics are about a cluster's backups", log });
}

interface BesideOperand {
  readonly others: readonly OptionName[];
  readonly why: string;
  log(event: LogEvent): void;
}

function preferTo(config: Config, operand: string, { others, why, log }: BesideOperand): Config {
  const given = others.filter((name) => isGiven(config, name));
  const typed = given.find((name) => config.origin(name).kind === "flag");
  if (typed !== undefined) throw new EtcdsafeError("USAGE", `--${typed} and ${operand}: ${why}`, { hint: "Give one of the two." });
  return given.length === 0 ? config : without(config, given, `${operand} is given: ${why}`, log);
}

function without(config: Config, names: readonly OptionName[], why: string, log: (event: LogEvent) => void): Config {
  const texts = names.map((name) => config.said(name));
  log({ level: "info", message: `${texts.join(", ")} ${texts.length === 1 ? "does" : "do"} not count, as ${why}` });
  return config.without(names);
}

/** A boolean that is turned off asks for nothing. */
function isGiven(config: Config, name: OptionName): boolean {
  return config.origin(name).kind !== "default" && config.get(name) !== false;
}

function plannedOptions(): OptionName[] {
  return OPTION_NAMES.filter((name) => {
    const { commands, group } = optionSpec(name);
    return commands.includes("restore") && group !== "Configuration and output" && !isAboutStores(name) && !BESIDE_A_PLAN.includes(name);
  });
}

function optionsAboutMembers(): OptionName[] {
  return OPTION_NAMES.filter((name) => optionSpec(name).group === "Members");
}
