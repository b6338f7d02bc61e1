// Putting restored members in place by the journal, and what becomes of a journal that an interrupted restore left: journal.ts has the protocol.
import { chown, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { syncDirectory } from "../bytes/files.ts";
import { EtcdsafeError } from "../errors.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import type { Owner } from "./access.ts";
import { fileError } from "./file-error.ts";
import { byHand, isGuarded, type Journal, readJournal, removeGuard, setGuard } from "./journal.ts";
import { doMove, findMove, removeKept, undoMove } from "./moves.ts";
import type { RestorePlan } from "./plan.ts";
import { askedBy, isOld, isReleased, isUntouched, requirePlaced, type Settlement, settlementOf, stuck, type Unfinished } from "./settlement.ts";
import { GUARD_NAME } from "./target-entries.ts";
import { type NamesIn, namesIn, type Whereabouts } from "./target-facts.ts";

/** The interrupted restores in these data directories. Throws RESTORE_UNFINISHED for a journal that cannot be relied on. */
export async function findUnfinished(dataDirs: readonly string[]): Promise<Unfinished[]> {
  const journals = new Map<string, Journal>();
  for (const dataDir of dataDirs) {
    const journal = await readJournal(dataDir);
    if (journal !== undefined) journals.set(journal.id, journal);
  }
  return Promise.all([...journals.values()].map(look));
}

async function look(journal: Journal): Promise<Unfinished> {
  const moves = await Promise.all(journal.moves.map(findMove));
  const guarded: string[] = [];
  for (const dataDir of journal.dataDirs) if (await isGuarded(dataDir, journal)) guarded.push(dataDir);
  const walDirs = moves.filter(({ part }) => part === "new-wal").map(({ to }) => dirname(to));
  const logs: string[] = [];
  for (const walDir of walDirs) if ((await namesIn(walDir)).some((name) => parseWalSegmentName(name) !== undefined)) logs.push(walDir);
  return { journal, moves, guarded, logs };
}

/** What else has to be done at two moments of putting in place. */
export interface FinishSteps {
  /** Asked once no etcd can start any more, before the first file is moved. */
  requireStopped?(): Promise<void>;
  /** Told when everything is in place and the first guard is about to go: what has to be known of the restore whatever becomes of this process. */
  onPlaced?(plan: RestorePlan): Promise<void>;
}

/** Does what is left of it. */
export async function finish(unfinished: Unfinished, { requireStopped, onPlaced }: FinishSteps = {}): Promise<void> {
  const { journal, moves, guarded } = unfinished;
  if (isReleased(unfinished)) {
    requirePlaced(unfinished);
    await onPlaced?.(journal.result.plan);
    for (const dataDir of guarded) await removeGuard(dataDir, journal);
    return;
  }
  for (const dataDir of journal.dataDirs) if (!guarded.includes(dataDir)) await setGuard(dataDir, journal);
  await requireStopped?.();
  for (const move of moves) if (move.state === "to do") await doMove(move);
  for (const { path, to } of journal.owners) await giveTo(path, to);
  requirePlaced(await look(journal));
  await onPlaced?.(journal.result.plan);
  for (const dataDir of journal.dataDirs) await removeGuard(dataDir, journal);
}

/** Takes back what was done of it; the stages stay, as leftovers. Throws RESTORE_UNFINISHED, and keeps the guards, where something old is not at its place then. */
export async function undo(unfinished: Unfinished): Promise<void> {
  const { journal, moves, guarded } = unfinished;
  for (const { path, from } of journal.owners) await giveTo(path, from);
  for (const move of moves.toReversed()) if (move.state === "done") await undoMove(move);
  const now = await look(journal);
  const away = isUntouched(now) ? undefined : now.moves.find((move) => isOld(move) && move.state !== "to do");
  if (away !== undefined) throw stuck(journal, `${away.from} is not what was there`);
  for (const move of moves) await removeKept(move);
  for (const dataDir of guarded) await removeGuard(dataDir, journal);
}

async function giveTo(path: string, owner: Owner): Promise<void> {
  const { uid, gid } = await stat(path);
  if (uid === owner.uid && gid === owner.gid) return;
  await chown(path, owner.uid, owner.gid);
  await syncDirectory(path);
}

/**
 * Puts the journal's stages in place, all of them or, when that fails, none: then it throws why, and the stages are where they were.
 * Throws RESTORE_UNFINISHED where they cannot be taken back either, or need not be; then nothing may be removed.
 */
export async function putInPlace(journal: Journal, steps: FinishSteps = {}): Promise<void> {
  try {
    await finish(await look(journal), steps);
  } catch (error) {
    const why = (error as Error).message;
    try {
      const left = await look(journal);
      if (isReleased(left)) throw new Error("some members may be started already");
      await undo(left);
    } catch (cause) {
      throw new EtcdsafeError("RESTORE_UNFINISHED", `the restored files could not be put in place (${why}), nor taken back: ${(cause as Error).message}`, {
        cause,
      });
    }
    throw error;
  }
}

export interface Settled {
  /** What the interrupted restore would have told, where it was the same as the one asked for now and is in place now. */
  readonly finished: Journal | undefined;
  /** Whether anything was undone, so that what was found in the targets before is not true any more. */
  readonly hasUndone: boolean;
}

/**
 * Finishes or undoes what interrupted restores left in the plan's data directories, before anything else is done there. `requireStopped` is asked before
 * files are moved; not where all are in place already, since then members may well run. Throws RESTORE_UNFINISHED, and TARGET_NOT_EMPTY where only --replace
 * is missing for the plan to be the interrupted one: to undo that would do nothing for it.
 */
export async function settleUnfinished(plan: RestorePlan, { requireStopped, onPlaced }: FinishSteps): Promise<Settled> {
  const asked = askedBy(plan);
  const found = await findUnfinished(dataDirsOf(plan)).catch((error: unknown) => {
    throw fileError(error);
  });
  const released = found.filter(isReleased);
  for (const each of released) await settle(each, "finish", onPlaced);
  const replacing = plan.replace ? undefined : askedBy({ ...plan, replace: true });
  const done = released.find(({ journal }) => journal.request === asked.request || journal.request === replacing?.request);
  if (done !== undefined) return { finished: done.journal, hasUndone: false };
  await requireStopped?.();
  const lacking = found.find((each) => lacksReplace(each, plan));
  if (lacking !== undefined) throw replaceMissing(lacking);
  let finished: Journal | undefined;
  let hasUndone = false;
  for (const unfinished of found.filter((each) => !isReleased(each))) {
    const settlement = settlementOf(unfinished, asked);
    await settle(unfinished, settlement, onPlaced);
    if (settlement === "undo") hasUndone = true;
    else finished = unfinished.journal;
  }
  return { finished, hasUndone };
}

/** Whether it would be finished for the plan if that had --replace, and is not as it is. */
function lacksReplace(unfinished: Unfinished, plan: RestorePlan): boolean {
  if (plan.replace || isReleased(unfinished) || settlementOf(unfinished, askedBy(plan)) === "finish") return false;
  return settlementOf(unfinished, askedBy({ ...plan, replace: true })) === "finish";
}

function replaceMissing({ journal: { startedAt, dataDirs } }: Unfinished): EtcdsafeError {
  return new EtcdsafeError(
    "TARGET_NOT_EMPTY",
    `this restore was begun with --replace at ${startedAt}, and interrupted while it put its files in place (${dataDirs.join(", ")})`,
    {
      hint: `The same command with --replace finishes it. Until then ${GUARD_NAME} is there, and no etcd starts; what was there is kept. Nothing was written.`,
    },
  );
}

async function settle(unfinished: Unfinished, settlement: Settlement, onPlaced: FinishSteps["onPlaced"]): Promise<void> {
  try {
    await (settlement === "finish" ? finish(unfinished, onPlaced && { onPlaced }) : undo(unfinished));
  } catch (error) {
    if (error instanceof EtcdsafeError) throw error;
    const why = (error as Error).message;
    throw byHand(unfinished.journal.dataDirs, `an interrupted restore cannot be ${settlement === "finish" ? "finished" : "undone"}: ${why}`);
  }
}

/** What `settleUnfinished` would do, for --plan. */
export async function unfinishedTexts(plan: RestorePlan): Promise<string[]> {
  const asked = askedBy(plan);
  return (await findUnfinished(dataDirsOf(plan))).map((unfinished) => {
    const { journal } = unfinished;
    const what = `A restore that began at ${journal.startedAt} was interrupted while it put its files in place (${journal.dataDirs.join(", ")})`;
    if (lacksReplace(unfinished, plan)) return `${what}; restore finishes that one if --replace is given, and refuses without.`;
    if (settlementOf(unfinished, asked) === "undo") return `${what}; restore undoes that first: what was there gets its place back.`;
    if (journal.request !== asked.request) return `${what}; it was another one, and all but done, so that restore finishes it first.`;
    return `${what}; restore finishes that one, cluster ${journal.result.plan.clusterId}, and does not do what is said here.`;
  });
}

function dataDirsOf({ members }: Pick<RestorePlan, "members">): string[] {
  return members.flatMap(({ dataDir }) => (dataDir === null ? [] : [dataDir]));
}

/** How the targets would look without interrupted restores: names in directories, and where things lie. */
export function asIfUndone(unfinished: readonly Unfinished[]): { readonly namesIn: NamesIn; readonly whereIs: Whereabouts } {
  const done = unfinished.filter((each) => !isReleased(each)).flatMap(({ moves }) => moves.filter(({ state }) => state === "done"));
  const guarded = new Set(unfinished.flatMap((each) => each.guarded));
  const namesAsIfUndone = async (directory: string) => {
    const found = new Set(await namesIn(directory));
    if (guarded.has(directory)) found.delete(GUARD_NAME);
    for (const { from, to } of done.toReversed()) {
      if (dirname(to) === directory) found.delete(basename(to));
      if (dirname(from) === directory) found.add(basename(from));
    }
    return [...found].sort();
  };
  return { namesIn: namesAsIfUndone, whereIs: (path) => done.find(({ from }) => from === path)?.to ?? path };
}
