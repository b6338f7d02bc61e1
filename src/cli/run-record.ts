// What a run of a command does, noted while it does it: for metrics and messages at its end.
import type { ErrorCode } from "../errors.ts";
import { failureReason } from "../metrics/reasons.ts";
import type { Look, MovedBytes, RepositoryFacts, RunFacts, SavedFacts, VerifiedFacts } from "../metrics/run-facts.ts";
import { parseBackupId } from "../repository/names.ts";
import { VERIFICATION_LEVELS } from "../repository/sidecars.ts";
import type { PruneResult } from "../retention/prune.ts";
import type { Runtime } from "../runtime.ts";
import { counted } from "../storage/counted.ts";
import { placeOf } from "../storage/place.ts";
import type { Storage } from "../storage/storage.ts";
import type { VerifyLevel } from "../verify/options.ts";
import { PARTLY_DONE } from "./exit-codes.ts";
import type { PrunedRepository } from "./save-prune.ts";
import type { SaveOutcome } from "./save-text.ts";
import type { VerifiedRepository } from "./save-verify.ts";
import type { Verified } from "./verified-text.ts";

/** Of a step's name, which may also tell which backup or repository it is about, what it does: few enough to be labels. */
const PHASE = /(?:^|\s)(stream|check|upload|read)(?:\s|$)/;

export class RunRecord {
  readonly #monotonicMs: () => number;
  readonly #startedMs = new Map<string, number>();
  readonly #moved = new Map<string, MovedBytes>();
  readonly phases = new Map<string, number>();
  readonly verified: VerifiedFacts[] = [];
  readonly looks: Look[] = [];
  readonly damaged: { readonly cluster: string; readonly backups: number }[] = [];
  /** By cluster, of a run about all of them. */
  readonly exitCodes = new Map<string, number>();
  readonly repositories: RepositoryFacts[] = [];
  /** What it came to, for people. */
  readonly lines: string[] = [];
  saved: SavedFacts | null = null;
  pruned: RunFacts["pruned"] = null;
  /** Of files, and of other tools' backups: no cluster's metrics are about them. */
  isOfNoCluster = false;
  /** Done, and yet somebody should look at it. */
  isDoubtful = false;

  constructor({ monotonicMs }: Pick<Runtime, "monotonicMs">) {
    this.#monotonicMs = monotonicMs;
  }

  noteSave({ saved, suspects }: Pick<SaveOutcome, "saved" | "suspects">): void {
    const { manifest, state, stateWhy, members, rawSizeBytes, repositories = [] } = saved;
    this.isDoubtful = state === "suspect" || state === "partial" || suspects.length > 0;
    this.lines.push(`${manifest?.id ?? saved.file ?? "the snapshot"}: ${state}, ${stateWhy}`);
    for (const { location, mayBeStored, failure } of repositories)
      if (failure !== null) this.lines.push(`${mayBeStored ? "perhaps " : ""}not stored in ${location}: ${failure.message}`);
    if (manifest === null) return;
    const count = (outcome: keyof SavedFacts["members"]) => members.filter((member) => member.outcome === outcome).length;
    this.saved = {
      cluster: manifest.cluster,
      createdAt: new Date(manifest.createdAt),
      state,
      rawSizeBytes,
      storedSizeBytes: manifest.objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0),
      members: { agreed: count("agreed"), disagreed: count("disagreed"), "not-comparable": count("not-comparable"), unreachable: count("unreachable") },
      isDamaged: false,
    };
  }

  /** After noteSave: what was read back in each repository that has the backup. */
  noteReadBack(verifications: readonly VerifiedRepository[]): void {
    for (const { location, failure } of verifications) if (failure !== null) this.lines.push(`not read back from ${location}: ${failure.message}`);
    this.noteVerified(verifications.flatMap(({ result }) => (result === null ? [] : [result])));
    const isDamaged = verifications.length > 0 && verifications.every(({ result }) => result?.outcome === "failed");
    if (this.saved !== null) this.saved = { ...this.saved, isDamaged };
  }

  /** Of a save. What failed in one repository counts, however it went in others. */
  notePrunes(prunes: readonly PrunedRepository[]): void {
    for (const { location, failure } of prunes) if (failure !== null) this.lines.push(`${location} was not pruned: ${failure.message}`);
    if (prunes.length === 0) return;
    const failed = prunes.find(({ failure }) => failure !== null)?.failure;
    const isPartly = failed !== undefined || prunes.some(({ result }) => (result?.failures.length ?? 0) > 0);
    this.pruned = { failure: failureReason(isPartly ? PARTLY_DONE : 0, failed?.code as ErrorCode | undefined) };
  }

  /** Of all clusters, what became of one: the exit code of a run about it alone. */
  noteCluster(cluster: string, exitCode: number): void {
    this.exitCodes.set(cluster, exitCode);
  }

  /** After noteVerified: that these are all that a schedule wants verified of the cluster. `asked`: how deep. */
  noteLook(cluster: string, asked: VerifyLevel, verified: readonly Verified[]): void {
    if (verified.some(({ outcome }) => outcome === "not-verified")) return;
    const levels = verified.map(({ level }) => level);
    this.looks.push({ cluster, level: VERIFICATION_LEVELS.find((level) => (levels as readonly string[]).includes(level)) ?? asked });
  }

  noteVerified(verified: readonly Verified[]): void {
    for (const each of verified) {
      const name = "backup" in each ? each.backup : each.file;
      if (each.failure !== null) this.lines.push(`${name}: ${each.outcome === "failed" ? "damaged" : "not read"}: ${each.failure.message}`);
      // What is no backup of a repository's vouches for none.
      const createdAt = "backup" in each ? parseBackupId(each.backup ?? "")?.createdAt : undefined;
      if (createdAt === undefined || !("cluster" in each) || each.outcome === "not-verified") continue;
      const { cluster, state, outcome, finishedAt } = each;
      const level = state === null ? "stored-bytes" : each.level;
      this.verified.push({ cluster, level, outcome, createdAt, finishedAt: new Date(finishedAt) });
    }
  }

  notePrune({ removed, kept, isHidden, failures }: PruneResult): void {
    this.lines.push(`${removed.length} ${isHidden ? "hidden" : "removed"}, ${kept} kept`, ...failures.map(({ message }) => message));
  }

  get moved(): readonly MovedBytes[] {
    return [...this.#moved.values()];
  }

  /** The same, whose steps are timed. */
  runtime(runtime: Runtime): Runtime {
    return {
      ...runtime,
      progress: (report) => {
        this.#onStep(report.step, report.done === true);
        runtime.progress(report);
      },
    };
  }

  /** The same, whose bytes are counted. */
  storage(storage: Storage, location: string): Storage {
    const store = placeOf(location).kind;
    return counted(storage, (direction, sizeBytes) => {
      const key = `${store} ${direction}`;
      this.#moved.set(key, { store, direction, sizeBytes: (this.#moved.get(key)?.sizeBytes ?? 0) + sizeBytes });
    });
  }

  #onStep(step: string, isDone: boolean): void {
    const phase = PHASE.exec(step)?.[1];
    if (phase === undefined) return;
    const nowMs = this.#monotonicMs();
    const startedMs = this.#startedMs.get(step) ?? nowMs;
    if (!isDone) {
      this.#startedMs.set(step, startedMs);
      return;
    }
    this.#startedMs.delete(step);
    this.phases.set(phase, (this.phases.get(phase) ?? 0) + (nowMs - startedMs) / 1000);
  }
}
