// A save into several repositories at once: received and checked once, uploaded to each from the spool at its own pace. A store that is slow, or stands
// still, holds neither etcd nor the others: each of these has its backup as soon as its own upload and the check are done.
import type { Spool } from "../bytes/spool.ts";
import { EtcdsafeError, saysWhatIsLeft, stoppedWith, whyStopped } from "../errors.ts";
import type { ObservedCluster } from "../repository/cluster-file.ts";
import { backupId } from "../repository/names.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Received, RepositoryTarget } from "./repository-target.ts";
import type { Saved, SaveTarget, StoredIn } from "./save-target.ts";
import { type CheckedSnapshot, check, receive, type SavePhase, type TakeOptions } from "./take.ts";

type Options = CallOptions & { readonly runtime: Runtime };

interface One {
  readonly target: RepositoryTarget;
  /** What its preparation failed with, once it has ended. */
  prepared: Promise<unknown>;
  isReady: boolean;
}

/** Rejects only where nothing is stored anywhere, an abort included: with what the first of the repositories failed with. All are given the same backup id. */
export class SeveralTargets implements SaveTarget {
  readonly #all: readonly One[];
  /** Failures that each repository has been told of already. */
  readonly #recorded = new WeakSet<object>();
  #isPreparing = false;

  constructor(targets: readonly RepositoryTarget[]) {
    this.#all = targets.map((target) => ({ target, prepared: Promise.resolve(), isReady: false }));
  }

  /** Ends when one repository is ready: the others go on by themselves, and are waited for when there is something to store. */
  async prepare(observed: ObservedCluster, options: Options): Promise<void> {
    this.#isPreparing = true;
    const preparing = this.#all.map(async (one) => {
      await one.target.prepare(observed, options);
      one.isReady = true;
    });
    for (const [index, one] of this.#all.entries()) {
      one.prepared = preparing[index]!.then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    try {
      await Promise.any(preparing);
    } catch {
      throw await this.#all[0]!.prepared; // All of them have failed.
    }
  }

  /** Only where each that is ready by now says so. */
  async comparedAlready(options: Options): Promise<string | undefined> {
    const answers = await Promise.all(this.#all.filter(({ isReady }) => isReady).map(({ target }) => target.comparedAlready(options)));
    return answers.every((answer) => answer !== undefined) ? answers[0] : undefined;
  }

  async store(observed: ObservedCluster, spool: Spool, take: TakeOptions): Promise<Saved> {
    const createdAt = take.runtime.now();
    const snapshot = await receive(spool, take);
    const id = backupId(createdAt, snapshot.peek.revision, take.runtime.randomBytes);
    const checking = check(snapshot, take);
    checking.catch(() => undefined); // Each repository hears of it, one that is not ready yet later.
    const received: Received = { id, createdAt, observed, snapshot, check: (options) => orAborted(checking, options.signal) };
    const storing = this.#all.map((one) => this.#storeIn(one, received, checking, take));
    const ended = await Promise.allSettled(storing);
    const stored = ended.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
    const [first] = stored;
    if (first === undefined) {
      await checking;
      throw nowhereStored(ended, take.signal);
    }
    const repositories = ended.map((each, index) => storedIn(this.#all[index]!.target, each));
    return { ...first, isUnfinished: stored.some(({ isUnfinished }) => isUnfinished === true), repositories };
  }

  passOn(): Promise<Saved> {
    throw new EtcdsafeError("INTERNAL", "several repositories take a local copy");
  }

  async failed(error: unknown, phase: SavePhase, options: Options): Promise<void> {
    if (error instanceof Error && this.#recorded.has(error)) return;
    // Before any of them was looked at, it is news to all.
    const told = this.#isPreparing ? this.#all.filter(({ isReady }) => isReady) : this.#all;
    await Promise.all(told.map(({ target }) => target.failed(error, phase, options)));
  }

  async #storeIn({ target, prepared }: One, received: Received, checking: Promise<CheckedSnapshot>, take: TakeOptions): Promise<Saved> {
    const { location } = target;
    let phase: SavePhase = "upload";
    try {
      const refusal = await prepared;
      if (refusal !== undefined) throw refusal;
      const runtime = {
        ...take.runtime,
        progress: (report) => take.runtime.progress(report.step === "upload" ? { ...report, step: `upload to ${location}` } : report),
      } satisfies Runtime;
      const onPhase = (next: SavePhase) => {
        phase = next;
      };
      const saved = await target.storeReceived(received, { ...take, runtime, onPhase });
      take.runtime.log({ level: "info", message: `stored in ${location} as ${received.id}` });
      return saved;
    } catch (error) {
      if (take.signal.aborted) throw whyStopped(error, take.signal);
      const isAboutSnapshot = await checking.then(
        () => false,
        (found) => found === error,
      );
      if (!isAboutSnapshot && error instanceof Error) {
        this.#recorded.add(error);
        take.runtime.log({ level: "error", message: `not stored in ${location}: ${error.message}` });
        await target.failed(error, phase, take);
      }
      throw error;
    }
  }
}

function storedIn({ location }: RepositoryTarget, ended: PromiseSettledResult<Saved>): StoredIn {
  if (ended.status === "fulfilled") return { location, manifest: ended.value.manifest, failure: null };
  const error: unknown = ended.reason;
  if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
  const { code, message, hint } = error;
  return { location, manifest: null, mayBeStored: saysWhatIsLeft(error), failure: { code, message, hint } };
}

/** What the first failed with; of an abort, where it may be stored all the same. */
function nowhereStored(ended: readonly PromiseSettledResult<Saved>[], { aborted, reason }: AbortSignal): unknown {
  const failures: readonly unknown[] = ended.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
  if (!aborted) return failures[0];
  const hints = failures.filter(saysWhatIsLeft).map(({ hint }) => hint);
  return hints.length === 0 ? reason : stoppedWith(reason, hints.join(" "));
}

/** For one of several who wait: that it gives up is no reason for the others to. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
