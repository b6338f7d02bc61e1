// What somebody who was woken wants to know first: can everything be recovered, to when, and what is wrong. Pure.
import type { AgentStatus, CatalogueStatus, TaskStatus } from "../status.ts";
import { type DatedBackup, datedBackups, gapsBetween, isRestorable } from "./timeline.ts";
import { ageText, countText, spanText, timeText } from "./words.ts";

export type Level = "ok" | "warn" | "bad";

export interface Problem {
  readonly level: "warn" | "bad";
  readonly text: string;
  /** What others said of it, and what to do. */
  readonly message?: string | undefined;
  readonly hint?: string | undefined;
}

export interface Verdict {
  readonly level: Level;
  readonly headline: string;
  /** Up to when; null where nothing can be recovered, or nobody knows. */
  readonly recoverableTo: string | null;
  /** The newest backup that a restore takes without being told to. */
  readonly newest: DatedBackup | null;
  /** The newest one of these that was read back. */
  readonly newestVerified: DatedBackup | null;
  /** The worst first. */
  readonly problems: readonly Problem[];
}

/** As many failures in a row are no accident. */
const FAILURES_IN_A_ROW_BAD = 3;
/** An open gap that long is no delay. */
const OPEN_GAP_BAD_MS = 24 * 60 * 60 * 1000;
/** A damaged backup from before that is known, and others have followed it. */
const DAMAGE_FRESH_MS = 7 * 24 * 60 * 60 * 1000;
/** A schedule is not kept to the second. */
const OVERDUE_MS = 5 * 60 * 1000;

export function verdictOf(status: AgentStatus): Verdict {
  const { catalogue, recovery } = status;
  const backups = datedBackups(catalogue?.backups ?? []).filter(isRestorable);
  const newest = backups.at(-1) ?? null;
  const recoverableTo = recovery?.to ?? null;
  const problems = problemsOf(status, backups).toSorted((a, b) => (a.level === b.level ? 0 : a.level === "bad" ? -1 : 1));
  const worst: Level = problems[0]?.level ?? "ok";
  const isEmpty = catalogue !== null && catalogue.total === 0;
  const found = { recoverableTo, newest, newestVerified: backups.findLast(({ verified }) => verified !== null) ?? null, problems };
  if (catalogue === null) return { level: worst === "bad" ? "bad" : "warn", headline: "Not known yet: the repository has not been read", ...found };
  if (recoverableTo === null) {
    if (isEmpty) return { level: worst === "bad" ? "bad" : "warn", headline: "No backup yet: nothing can be recovered", ...found };
    return { level: "bad", headline: "Nothing can be recovered: no backup is usable", ...found };
  }
  const to = ageText(recoverableTo, Date.parse(status.now));
  const headline = { ok: "Everything is recoverable", warn: "Recoverable, but look at this", bad: `Something is wrong; recoverable to ${to}` }[worst];
  return { level: worst, headline, ...found };
}

function problemsOf(status: AgentStatus, restorable: readonly DatedBackup[]): Problem[] {
  const { catalogue, tasks } = status;
  const nowMs = Date.parse(status.now);
  return [
    ...leaseProblems(status),
    ...tasks.flatMap((task) => taskProblems(task, nowMs)),
    ...(catalogue === null ? [] : [...catalogueProblems(catalogue, restorable, nowMs), ...verificationProblems(tasks, catalogue, restorable)]),
    ...(catalogue === null || tasks.some(({ kind, failuresInARow }) => kind === "save" && failuresInARow > 0) ? [] : attemptProblems(catalogue, restorable)),
    ...configurationProblems(status),
  ];
}

function leaseProblems({ role, lease }: AgentStatus): Problem[] {
  const { holder, error } = lease;
  const said = { message: error === null ? undefined : `${error.message} (${error.code})` };
  if (holder === null && role === "standby")
    return [{ level: error === null ? "warn" : "bad", text: "No agent holds the writer's lease: nothing is backed up until one does", ...said }];
  return error === null
    ? []
    : [{ level: "warn", text: role === "writer" ? "Trouble with the writer's lease" : "This agent could not take the writer's lease", ...said }];
}

const NAMES = { save: "The save", verify: "The verification", prune: "The prune" } as const;

function taskProblems(task: TaskStatus, nowMs: number): Problem[] {
  const { kind, last, failuresInARow, nextRunAt, running, isRetry } = task;
  if (last?.state === "failed") {
    const isBad = failuresInARow >= FAILURES_IN_A_ROW_BAD || last.failure?.reason === "corrupt";
    const times = failuresInARow > 1 ? `${failuresInARow} times in a row` : `at ${timeText(last.finishedAt)}`;
    const next = running !== null ? "; it runs again now" : isRetry && nextRunAt !== null ? `; tried again ${ageText(nextRunAt, nowMs)}` : "";
    return [{ level: isBad ? "bad" : "warn", text: `${NAMES[kind]} failed ${times}${next}`, message: last.failure?.message, hint: last.failure?.hint }];
  }
  if (running === null && nextRunAt !== null && nowMs - Date.parse(nextRunAt) > OVERDUE_MS)
    return [{ level: "warn", text: `${NAMES[kind]} should have begun ${ageText(nextRunAt, nowMs)}` }];
  return [];
}

function catalogueProblems({ backups }: CatalogueStatus, restorable: readonly DatedBackup[], nowMs: number): Problem[] {
  const problems: Problem[] = [];
  const damaged = backups.filter(({ state }) => state === "damaged");
  if (damaged.length > 0) {
    const rest = damaged.length > 3 ? ` and ${damaged.length - 3} more` : "";
    const isFresh = damaged.some(({ createdAt }) => createdAt === null || nowMs - Date.parse(createdAt) < DAMAGE_FRESH_MS);
    const ids = damaged.slice(0, 3).map(({ id }) => id);
    problems.push({
      level: isFresh ? "bad" : "warn",
      text: `${countText(damaged.length, "backup")} ${damaged.length === 1 ? "is" : "are"} damaged`,
      message: `${ids.join(", ")}${rest}`,
    });
  }
  const newest = datedBackups(backups).at(-1);
  if (newest !== undefined && newest.state !== "damaged" && !isRestorable(newest))
    problems.push({ level: "warn", text: `The newest backup is ${newest.state}: a restore takes an older one`, message: newest.id });
  const open = gapsBetween(restorable, nowMs).find(({ isOpen }) => isOpen);
  if (open !== undefined) {
    const sinceMs = open.toMs - open.fromMs;
    problems.push({ level: sinceMs > OPEN_GAP_BAD_MS ? "bad" : "warn", text: `No new backup for ${spanText(sinceMs)}, longer than usual` });
  }
  return problems;
}

function verificationProblems(tasks: readonly TaskStatus[], { total }: CatalogueStatus, restorable: readonly DatedBackup[]): Problem[] {
  if (total === 0 || restorable.some(({ verified }) => verified !== null)) return [];
  if (tasks.some(({ kind, schedule }) => kind === "verify" && schedule !== null)) return [];
  return [{ level: "warn", text: "No backup was read back from the store, and no schedule says that one will be" }];
}

/** Others save too, and a standby only sees what the repository tells. */
function attemptProblems({ failed }: CatalogueStatus, restorable: readonly DatedBackup[]): Problem[] {
  const last = failed.find(({ action }) => action === "save");
  const newestMs = restorable.at(-1)?.timeMs ?? Number.NEGATIVE_INFINITY;
  if (last === undefined || !(Date.parse(last.finishedAt) > newestMs)) return [];
  const since = failed.filter(({ action, finishedAt }) => action === "save" && Date.parse(finishedAt) > newestMs).length;
  const text = `${since === 1 ? "A save" : `${since} saves`} failed since the newest backup`;
  return [{ level: since >= FAILURES_IN_A_ROW_BAD ? "bad" : "warn", text, message: last.failure.message, hint: last.failure.hint }];
}

function configurationProblems({ configuration, tasks }: AgentStatus): Problem[] {
  const problems: Problem[] = [];
  const { refused } = configuration;
  if (refused !== null)
    problems.push({
      level: "warn",
      text: `A changed configuration was refused at ${timeText(refused.at)}: the former one is in force`,
      message: refused.message,
    });
  if (!tasks.some(({ kind, schedule }) => kind === "save" && schedule !== null))
    problems.push({ level: "warn", text: "No schedule says when backups are made: only who asks gets one" });
  return problems;
}
