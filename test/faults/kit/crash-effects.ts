// What the crash points count, and what a test asks of them: shared between the preload in the child and the driver in the test.

/** Something a process does to a file system that a crash can come before, after or (a write) in the middle of. */
export type EffectKind = "open" | "write" | "sync" | "truncate" | "rename" | "link" | "unlink" | "rm" | "mkdir" | "copy" | "access";

export interface Effect {
  readonly kind: EffectKind;
  /** What appears, changes or goes; of a rename, link or copy the new name. */
  readonly path: string;
  /** The old name of a rename, link or copy. */
  readonly from?: string;
  readonly sizeBytes?: number;
}

/** Each effect is recorded when it begins and, unless it failed, again when it has ended. */
export interface RecordedEffect extends Effect {
  readonly ended?: true;
}

export type CrashWhen = "before" | "after" | "torn";

/** Dies at the `at`-th (from 1) of the effects that match; `torn`, of writes alone, leaves the first half of the bytes. */
export interface CrashOrder extends EffectMatch {
  readonly at: number;
  readonly when: CrashWhen;
}

export interface EffectMatch {
  readonly kinds?: readonly EffectKind[];
  /** A regular expression that is looked for in the path. */
  readonly path?: string;
}

/** `record:FILE` (one RecordedEffect as JSON per line is appended to FILE) or a CrashOrder as JSON. */
export const CRASH_VARIABLE = "ETCDSAFE_TEST_CRASH";

/** Whether a crash point counts this effect. */
export function effectMatches(effect: Effect, match: EffectMatch): boolean {
  return (match.kinds?.includes(effect.kind) ?? true) && (match.path === undefined || new RegExp(match.path).test(effect.path));
}
