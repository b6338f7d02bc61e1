// Putting restored members in place by the journal, and what becomes of a journal that an interrupted restore left: journal.ts has the protocol.
import { chown, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { syncDirectory } from "../bytes/files.ts";
import { EtcdsafeError } from "../errors.ts";
import type { Owner } from "./access.ts";
import { fileError } from "./file-error.ts";
import { byHand, isGuarded, type Journal, readJournal, removeGuard, setGuard } from "./journal.ts";
import { doMove, type Move, type MoveState, stateOf, undoMove } from "./moves.ts";
import type { RestorePlan } from "./plan.ts";
import { requestIdentity } from "./request-identity.ts";
import { GUARD_NAME } from "./target-entries.ts";
import { type NamesIn, namesIn, type Whereabouts } from "./target-facts.ts";

/** What is found where an interrupted restore left its journal. */
export interface Unfinished {
  readonly journal: Journal;
  readonly moves: readonly (Move & { readonly state: MoveState })[];
  /** Those of its data directories that hold it. */
  readonly guarded: readonly string[];
}

/** What the next restore does about it. */
export type Settlement = "finish" | "undo";

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
  const moves = await Promise.all(journal.moves.map(async (move) => ({ ...move, state: await stateOf(move) })));
  const guarded: string[] = [];
  for (const dataDir of journal.dataDirs) if (await isGuarded(dataDir, journal)) guarded.push(dataDir);
  return { journal, moves, guarded };
}

/**
 * Pure. `request` is the identity of what is asked for now. Throws RESTORE_UNFINISHED where neither is possible, since something has changed the
 * directories meanwhile.
 */
export function settlementOf(unfinished: Unfinished, request: string): Settlement {
  const { journal, moves } = unfinished;
  if (isReleased(unfinished)) return "finish";
  const lost = moves.filter(({ state }) => state === "lost");
  if (journal.request === request && lost.length === 0 && isGuardedAll(unfinished)) return "finish";
  const isUntouched = moves.every(({ state }) => state !== "done");
  const missing = lost.find(({ part }) => part === "old-member" || part === "old-wal");
  if (isUntouched || missing === undefined) return "undo";
  const why = `${missing.from} was to become ${missing.to}, and is at neither place now; is every file system mounted?`;
  throw byHand(journal.dataDirs, `an interrupted restore can be neither finished nor undone: ${why}`);
}

/** Else the old members may have been started since, or the new ones. */
function isGuardedAll({ journal, guarded }: Unfinished): boolean {
  return guarded.length === journal.dataDirs.length;
}

/** Guards go only when every move is done. Then an etcd may run: it is not undone, and what changes where no guard is is not looked at. */
function isReleased(unfinished: Unfinished): boolean {
  const { moves, guarded } = unfinished;
  const isBegun = moves.some(({ state }) => state === "done");
  return isBegun && !isGuardedAll(unfinished) && moves.every(({ dataDir, state }) => state === "done" || !guarded.includes(dataDir));
}

/** Does what is left of it. */
export async function finish(unfinished: Unfinished): Promise<void> {
  const { journal, moves, guarded } = unfinished;
  if (!isReleased(unfinished)) {
    for (const dataDir of journal.dataDirs) if (!guarded.includes(dataDir)) await setGuard(dataDir, journal);
    for (const move of moves) if (move.state === "to do") await doMove(move);
    for (const { path, to } of journal.owners) await giveTo(path, to);
  }
  for (const dataDir of isReleased(unfinished) ? guarded : journal.dataDirs) await removeGuard(dataDir, journal);
}

/** Takes back what was done of it; the stages stay, as leftovers. */
export async function undo({ journal, moves, guarded }: Unfinished): Promise<void> {
  for (const { path, from } of journal.owners) await giveTo(path, from);
  for (const move of moves.toReversed()) if (move.state === "done") await undoMove(move);
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
export async function putInPlace(journal: Journal): Promise<void> {
  try {
    await finish(await look(journal));
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
 * files are moved; not where all are in place already, since then members may well run. Throws RESTORE_UNFINISHED.
 */
export async function settleUnfinished(plan: RestorePlan, requireStopped: () => Promise<void>): Promise<Settled> {
  const request = requestIdentity(plan);
  const found = await findUnfinished(dataDirsOf(plan)).catch((error: unknown) => {
    throw fileError(error);
  });
  const released = found.filter(isReleased);
  for (const each of released) await settle(each, "finish");
  const done = released.find(({ journal }) => journal.request === request);
  if (done !== undefined) return { finished: done.journal, hasUndone: false };
  await requireStopped();
  let finished: Journal | undefined;
  let hasUndone = false;
  for (const unfinished of found.filter((each) => !isReleased(each))) {
    const settlement = settlementOf(unfinished, request);
    await settle(unfinished, settlement);
    if (settlement === "undo") hasUndone = true;
    else finished = unfinished.journal;
  }
  return { finished, hasUndone };
}

async function settle(unfinished: Unfinished, settlement: Settlement): Promise<void> {
  try {
    await (settlement === "finish" ? finish(unfinished) : undo(unfinished));
  } catch (error) {
    if (error instanceof EtcdsafeError) throw error;
    const why = (error as Error).message;
    throw byHand(unfinished.journal.dataDirs, `an interrupted restore cannot be ${settlement === "finish" ? "finished" : "undone"}: ${why}`);
  }
}

/** What `settleUnfinished` would do, for --plan. */
export async function unfinishedTexts(plan: RestorePlan): Promise<string[]> {
  const request = requestIdentity(plan);
  return (await findUnfinished(dataDirsOf(plan))).map((unfinished) => {
    const { journal } = unfinished;
    const what = `A restore that began at ${journal.startedAt} was interrupted while it put its files in place (${journal.dataDirs.join(", ")})`;
    if (settlementOf(unfinished, request) === "undo") return `${what}; restore undoes that first: what was there gets its place back.`;
    if (journal.request !== request) return `${what}; it was another one, and all but done, so that restore finishes it first.`;
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
