// The brake: without a person to look at the plan, a prune that removes unusually much has to be told how much it may.
import { EtcdsafeError } from "../errors.ts";

export interface PruneRun {
  /** How many backups the plan removes. */
  readonly removing: number;
  /** How many the cluster has. */
  readonly total: number;
  /** How many each earlier run removed, newest first. */
  readonly removedByRuns: readonly number[];
  readonly isTerminal: boolean;
  /** `--yes-remove`. */
  readonly yesRemove: number | undefined;
}

/** Throws PRUNE_TOO_MUCH where a prune without a terminal would remove more than half, or, with ten earlier ones that removed something, more than those together. */
export function requireIntended({ removing, total, removedByRuns, isTerminal, yesRemove }: PruneRun): void {
  if (isTerminal || removing <= 1 || (yesRemove !== undefined && removing <= yesRemove)) return;
  const recent = removedByRuns.filter((removed) => removed > 0).slice(0, RUNS);
  const recently = recent.reduce((sum, removed) => sum + removed, 0);
  const tooMuch = [
    ...(removing * 2 > total ? ["that is more than half"] : []),
    ...(recent.length === RUNS && removing > recently ? [`the last ${RUNS} prunes that removed any removed ${recently} together`] : []),
  ];
  if (tooMuch.length === 0) return;
  throw new EtcdsafeError("PRUNE_TOO_MUCH", `${removing} of ${total} backups would be removed: ${tooMuch.join(", and ")}`, {
    hint: `Look at the plan (\`etcdsafe prune --plan\`), and if it is what you want, give --yes-remove ${removing}. Nothing was removed.`,
  });
}

const RUNS = 10;
