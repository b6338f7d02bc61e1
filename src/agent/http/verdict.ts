// What somebody who was woken wants to know first: can everything be recovered, to when, and what is wrong. Pure.
import { parseBackupId } from "../../repository/names.ts";
import { isAhead } from "../recovery.ts";
import type { AgentStatus, BackupStatus, CatalogueStatus, TaskStatus } from "../status.ts";
import { type DatedBackup, datedBackups, expectedBackupAt, type Gap, gapsBetween, isRestorable, LATE_MS } from "./timeline.ts";
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
/** Whatever the schedule, a save that goes on for longer is looked at. */
const SAVE_LONG_MS = 60 * 60 * 1000;
/** A damaged backup from before that is known, and others have followed it. */
const DAMAGE_FRESH_MS = 7 * 24 * 60 * 60 * 1000;
/** Three readings' time. What was known of the repository before is no knowledge any more. */
const UNREAD_MS = 15 * 60 * 1000;

/** Whether nobody knows what the repository holds: for a quarter of an hour no reading of it went well. A clock that was set back has left `readAt` ahead. */
export function isUnread({ catalogue, unreadable, startedAt, now }: AgentStatus): boolean {
  const times = [catalogue?.readAt ?? unreadable?.since ?? startedAt, ...(unreadable === null ? [] : [unreadable.since])];
  return times.some((time) => Date.parse(now) - Date.parse(time) > UNREAD_MS);
}

/** `6 min ago` */
function readText({ readAt }: CatalogueStatus, nowMs: number): string {
  return Date.parse(readAt) > nowMs ? `at ${timeText(readAt)}, by a clock that was ahead` : ageText(readAt, nowMs);
}

export function verdictOf(status: AgentStatus): Verdict {
  const { catalogue, recovery, unreadable } = status;
  const nowMs = Date.parse(status.now);
  const backups = datedBackups(catalogue?.backups ?? []).filter(isRestorable);
  const newest = backups.at(-1) ?? null;
  const recoverableTo = recovery?.to ?? null;
  const problems = problemsOf(status, backups).toSorted((a, b) => (a.level === b.level ? 0 : a.level === "bad" ? -1 : 1));
  const worst: Level = problems[0]?.level ?? "ok";
  const isEmpty = catalogue !== null && catalogue.total === 0;
  const found = { recoverableTo, newest, newestVerified: backups.findLast(({ verified }) => verified !== null) ?? null, problems };
  if (catalogue === null) {
    const headline = unreadable === null ? "Not known yet: the repository has not been read" : "Not known: the repository cannot be read";
    return { level: worst === "bad" ? "bad" : "warn", headline, ...found };
  }
  if (isUnread(status)) return { level: "bad", headline: `Not known: the repository was read last ${readText(catalogue, nowMs)}`, ...found };
  if (recoverableTo === null) {
    const whenRead = `when the repository was read ${readText(catalogue, nowMs)}`;
    if (isEmpty) return { level: worst === "bad" ? "bad" : "warn", headline: `No backup ${whenRead}: nothing can be recovered`, ...found };
    return { level: "bad", headline: "Nothing can be recovered: no backup is usable", ...found };
  }
  const to = isAhead(Date.parse(recoverableTo), nowMs) ? timeText(recoverableTo) : ageText(recoverableTo, Math.max(nowMs, Date.parse(recoverableTo)));
  const headline = { ok: "Everything is recoverable", warn: "Recoverable, but look at this", bad: `Something is wrong; recoverable to ${to}` }[worst];
  return { level: worst, headline, ...found };
}

function problemsOf(status: AgentStatus, restorable: readonly DatedBackup[]): Problem[] {
  const { catalogue, tasks } = status;
  const nowMs = Date.parse(status.now);
  const past = restorable.filter(({ timeMs }) => timeMs <= nowMs);
  const failing = tasks.filter((task) => isFailing(task, past, nowMs));
  return [
    ...readingProblems(status),
    ...leaseProblems(status),
    ...failing.flatMap((task) => taskProblems(task, nowMs)),
    ...(catalogue === null
      ? []
      : [...stateProblems(catalogue, nowMs), ...timeProblems(tasks, restorable, nowMs), ...verificationProblems(tasks, catalogue, restorable)]),
    ...(catalogue === null || failing.some(({ kind }) => kind === "save") ? [] : attemptProblems(catalogue, past)),
    ...configurationProblems(status),
  ];
}

function readingProblems(status: AgentStatus): Problem[] {
  const { catalogue, unreadable, now } = status;
  if (unreadable === null && (catalogue === null || !isUnread(status))) return [];
  const level = isUnread(status) ? "bad" : "warn";
  const known = catalogue === null ? "" : `: what stands here was read ${readText(catalogue, Date.parse(now))}`;
  if (unreadable === null) return [{ level, text: `No reading of the repository comes to its end${known}` }];
  return [
    { level, text: `The repository could not be read since ${timeText(unreadable.since)}${known}`, message: `${unreadable.message} (${unreadable.code})` },
  ];
}

/** Who stands by and knows for whom has no problem. */
function leaseProblems({ role, lease: { holder, error }, repositories }: AgentStatus): Problem[] {
  if (error === null) return role === "writer" || holder !== null ? [] : [{ level: "warn", text: "This agent has not seen yet who writes" }];
  const message = `${error.message} (${error.code})`;
  if (role === "writer") return [{ level: "warn", text: "Trouble with the writer's lease", message }];
  const hint =
    repositories.length > 1
      ? "The lease is kept in the first repository: while no agent has it, no backup is made in any repository."
      : "While no agent has the writer's lease, no backup is made.";
  return [{ level: "bad", text: "This agent does not write, and cannot see who does", message, hint }];
}

const NAMES = { save: "The save", verify: "The verification", prune: "The prune" } as const;

/** Whether it failed, and nothing since went well. `last` is of this process, and stands for ever in one that only stands by from then on: others may have done it. */
function isFailing({ kind, last, failuresInARow }: TaskStatus, past: readonly DatedBackup[], nowMs: number): boolean {
  if (failuresInARow === 0 || last?.state !== "failed") return false;
  // That one backup was read back, as by whoever has just saved it, says nothing of the others.
  const done = kind === "save" ? past.map(({ timeMs }) => timeMs) : [];
  return !done.some((timeMs) => timeMs > Date.parse(last.finishedAt) && timeMs <= nowMs);
}

function taskProblems({ kind, last, failuresInARow, nextRunAt, running, isRetry }: TaskStatus, nowMs: number): Problem[] {
  // What was stopped did not fail: it only followed on what had.
  const ended = last?.failure?.reason === "interrupted" ? null : last;
  const isBad = failuresInARow >= FAILURES_IN_A_ROW_BAD || ended?.failure?.reason === "corrupt";
  const times = failuresInARow > 1 ? `${failuresInARow} times in a row` : ended === null ? "once" : `at ${timeText(ended.finishedAt)}`;
  const next = running !== null ? "; it runs again now" : isRetry && nextRunAt !== null ? `; tried again ${ageText(nextRunAt, nowMs)}` : "";
  return [{ level: isBad ? "bad" : "warn", text: `${NAMES[kind]} failed ${times}${next}`, message: ended?.failure?.message, hint: ended?.failure?.hint }];
}

function badBackups(backups: readonly BackupStatus[], bad: "damaged" | "unreadable", nowMs: number): Problem[] {
  const found = backups.filter(({ state }) => state === bad);
  if (found.length === 0) return [];
  const rest = found.length > 3 ? ` and ${found.length - 3} more` : "";
  const ids = found.slice(0, 3).map(({ id }) => id);
  return [
    {
      level: found.some((backup) => isFresh(backup, nowMs)) ? "bad" : "warn",
      text: `${countText(found.length, "backup")} ${found.length === 1 ? "is" : "are"} ${bad}`,
      message: `${ids.join(", ")}${rest}`,
      ...(bad === "unreadable" && { hint: "Of what is unreadable the manifest cannot be read: `etcdsafe show` says why." }),
    },
  ];
}

/** Its id tells when it was begun, also where nothing else of it can be read. */
function isFresh({ id, createdAt }: BackupStatus, nowMs: number): boolean {
  const timeMs = createdAt === null ? parseBackupId(id)?.createdAt.getTime() : Date.parse(createdAt);
  return timeMs === undefined || nowMs - timeMs < DAMAGE_FRESH_MS;
}

function stateProblems({ backups }: CatalogueStatus, nowMs: number): Problem[] {
  const problems = (["damaged", "unreadable"] as const).flatMap((state) => badBackups(backups, state, nowMs));
  const newest = datedBackups(backups).at(-1);
  if (newest !== undefined && newest.state !== "damaged" && !isRestorable(newest))
    problems.push({ level: "warn", text: `The newest backup is ${newest.state}: a restore takes an older one`, message: newest.id });
  return problems;
}

function timeProblems(tasks: readonly TaskStatus[], restorable: readonly DatedBackup[], nowMs: number): Problem[] {
  const problems: Problem[] = [];
  const newest = restorable.at(-1);
  if (newest !== undefined && isAhead(newest.timeMs, nowMs)) {
    const text = `The newest backup is dated ${spanText(newest.timeMs - nowMs)} ahead: the clock of whoever made it was wrong, or this one is`;
    problems.push({ level: "warn", text, message: newest.id });
  }
  const expectedAt = expectedBackupAt(tasks);
  const open = gapsBetween(restorable, nowMs, expectedAt).find(({ isOpen }) => isOpen);
  if (open === undefined) return problems;
  const isBad = (expectedAt === null ? open.toMs - open.fromMs : nowMs - Date.parse(expectedAt)) > OPEN_GAP_BAD_MS;
  const startedAt = tasks.find(({ kind }) => kind === "save")?.running?.startedAt;
  const ranMs = startedAt === undefined ? null : nowMs - Date.parse(startedAt);
  if (!isBad && ranMs !== null && ranMs <= excusedMs(open, expectedAt)) return problems;
  const why = expectedAt === null ? ", longer than usual" : `: by the schedule one was due ${ageText(expectedAt, nowMs)}`;
  const stillRuns = ranMs === null ? "" : `, and a save has been running for ${spanText(Math.max(0, ranMs))}`;
  problems.push({ level: isBad ? "bad" : "warn", text: `No new backup for ${spanText(open.toMs - open.fromMs)}${why}${stillRuns}` });
  return problems;
}

/** For how long a save that runs excuses that there is no backup yet: until the next one would be due, if that is soon enough. One that hangs makes none. */
function excusedMs({ fromMs }: Gap, expectedAt: string | null): number {
  const intervalMs = expectedAt === null ? SAVE_LONG_MS : Date.parse(expectedAt) - fromMs;
  return Math.max(LATE_MS, Math.min(intervalMs, SAVE_LONG_MS));
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
