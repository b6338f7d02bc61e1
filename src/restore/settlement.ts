// What becomes of a restore that was interrupted while it put its files in place: journal.ts has the states it can have died in. Pure.
import { dirname } from "node:path";
import type { EtcdsafeError } from "../errors.ts";
import { highest } from "./evidence.ts";
import { byHand, type Journal } from "./journal.ts";
import type { FoundMove } from "./moves.ts";
import type { RestorePlan } from "./plan.ts";
import { requestIdentity } from "./request-identity.ts";

/** What is found where an interrupted restore left its journal. */
export interface Unfinished {
  readonly journal: Journal;
  readonly moves: readonly FoundMove[];
  /** Those of its data directories that hold it. */
  readonly guarded: readonly string[];
  /** WAL directories of its members, those of their own, in which there is a log. */
  readonly logs: readonly string[];
}

/** What the next restore does about it. */
export type Settlement = "finish" | "undo";

/** What of a plan decides that. */
export interface Asked {
  /** Its identity. */
  readonly request: string;
  /** What the restored cluster has to start beyond; null where that is not asked for. */
  readonly beyond: bigint | null;
}

export function askedBy(plan: RestorePlan): Asked {
  const most = highest(plan.revision.evidence);
  return { request: requestIdentity(plan), beyond: plan.revision.bump === "auto" && most !== undefined ? BigInt(most.revision) : null };
}

/** Throws RESTORE_UNFINISHED where neither is possible, since something has changed the directories meanwhile. */
export function settlementOf(unfinished: Unfinished, asked: Asked): Settlement {
  const { journal, moves } = unfinished;
  if (isReleased(unfinished)) {
    requirePlaced(unfinished);
    return "finish";
  }
  const isWhole = isGuardedAll(unfinished) && moves.every(({ state }) => state !== "lost");
  if (journal.request === asked.request && isWhole && isBeyond(journal, asked)) return "finish";
  if (isUntouched(unfinished)) return "undo";
  const missing = moves.find((move) => move.state === "lost" && (isOld(move) || isElsewhere(move, moves)));
  if (missing === undefined) return "undo";
  throw stuck(journal, `${missing.from} was to become ${missing.to}, and ${whatIsThere(missing, moves)}`);
}

/** Of what moves and is at neither place: something else may be there. */
function whatIsThere({ isAtFrom, isAtTo, from, to }: FoundMove, moves: readonly FoundMove[]): string {
  // What was restored may be there rightly, in place of what was moved away.
  const isStranger = isAtFrom && !moves.some((move) => move.to === from && move.state === "done");
  const place = isAtTo ? to : isStranger ? from : undefined;
  return place === undefined ? "is at neither place now" : `what is at ${place} now is another file or directory than the one that was moved`;
}

/** What has come to be known since may be more than what the interrupted restore went beyond. */
function isBeyond({ result }: Journal, { beyond }: Asked): boolean {
  return beyond === null || BigInt(result.plan.revision.after) > beyond;
}

/** Guards go only when every move is done. Then an etcd may run: it is not undone, and what changes where no guard is is hardly looked at. */
export function isReleased(unfinished: Unfinished): boolean {
  const { moves, guarded } = unfinished;
  const isBegun = moves.some(({ state }) => state === "done");
  return isBegun && !isGuardedAll(unfinished) && moves.every(({ dataDir, state }) => state === "done" || !guarded.includes(dataDir));
}

/**
 * Throws RESTORE_UNFINISHED unless every new member is at its place, and so is its log: a data directory whose file system is not mounted has no guard
 * either. A member that was free to start may have removed the first file of its log.
 */
export function requirePlaced({ journal, moves, guarded, logs }: Unfinished): void {
  const isPlaced = ({ part, dataDir, to, state }: FoundMove) =>
    isOld({ part }) || state === "done" || (part === "new-wal" && !guarded.includes(dataDir) && logs.includes(dirname(to)));
  const missing = moves.find((move) => !isPlaced(move));
  if (missing !== undefined) throw stuck(journal, `what was restored as ${missing.to} is not there`);
}

/**
 * No move was done, whatever has become of the files: they may have been copied since, and have other inodes. Where there is no guard, an etcd may have been
 * started, and writes and removes files of its log.
 */
export function isUntouched({ moves, guarded }: Unfinished): boolean {
  const sources = new Set(moves.map(({ from }) => from));
  return moves
    .filter(({ part, dataDir }) => part !== "old-wal" || guarded.includes(dataDir))
    .every(({ state, isAtFrom, isAtTo, to }) => state !== "done" && isAtFrom && (!isAtTo || sources.has(to)));
}

/** Of what was there before the restore. */
export function isOld({ part }: Pick<FoundMove, "part">): boolean {
  return part === "old-member" || part === "old-wal";
}

/** For what only people can set right, often by a mount. */
export function stuck(journal: Journal, why: string): EtcdsafeError {
  return byHand(journal.dataDirs, `an interrupted restore can be neither finished nor undone: ${why}; is every file system mounted?`);
}

/** Else the old members may have been started since, or the new ones. */
function isGuardedAll({ journal, guarded }: Unfinished): boolean {
  return guarded.length === journal.dataDirs.length;
}

/** A stage that was removed is nowhere; one that was copied may be what is at its place, unless the old one is still there. */
function isElsewhere({ isAtTo, to }: FoundMove, moves: readonly FoundMove[]): boolean {
  return isAtTo && !moves.some(({ from, state }) => from === to && state === "to do");
}
