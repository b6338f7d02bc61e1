// Whether this agent is the one to write, as far as its own saves tell: another may reach etcd, or be that of the right cluster. Pure, with monotonic times.
import type { EtcdsafeError } from "../errors.ts";
import type { RunEnd } from "./task.ts";

/** Who cannot reach etcd leaves the lease alone for so long that each of the others, who try every ten seconds, has tried for it. */
const ASIDE_MS = 20_000;
/** The same for a cluster whose save was refused: nothing but `repo adopt` changes that, unless the other cluster is given up. */
const ASIDE_REFUSED_MS = 10 * 60_000;

export interface Unfitness {
  readonly error: EtcdsafeError;
  /** For how long the lease is for others. */
  readonly asideMs: number;
}

export class Fitness {
  #unfit: Unfitness | undefined;
  #hasSaved = false;
  #asideUntilMs = Number.NEGATIVE_INFINITY;

  /** Why the last save says that this agent is not the one to write; undefined where it does not. */
  get unfit(): Unfitness | undefined {
    return this.#unfit;
  }

  /** Whether a save of this process went well: only then it is known whose cluster this is. */
  get hasSaved(): boolean {
    return this.#hasSaved;
  }

  noteSave(end: RunEnd): void {
    this.#unfit = unfitnessOf(end);
    const isStored = end.failure === null || end.failure.reason === "partly-done";
    this.#hasSaved = end.error?.code !== "CLUSTER_MISMATCH" && (this.#hasSaved || isStored);
  }

  /** From now on the lease is for others, for as long as that is. */
  standAside({ asideMs }: Unfitness, nowMs: number): void {
    this.#asideUntilMs = nowMs + asideMs;
  }

  isAside(nowMs: number): boolean {
    return nowMs < this.#asideUntilMs;
  }

  /** With another configuration it may be another cluster, or one that can be reached. */
  endAside(): void {
    this.#asideUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** It has the lease again, and may turn out to be fit. Gives what it was not fit for before. */
  tryAgain(): Unfitness | undefined {
    const before = this.#unfit;
    this.#unfit = undefined;
    return before;
  }
}

function unfitnessOf({ failure, error }: RunEnd): Unfitness | undefined {
  if (error?.code === "CLUSTER_MISMATCH") return { error, asideMs: ASIDE_REFUSED_MS };
  return failure?.reason === "etcd-unreachable" && error !== undefined ? { error, asideMs: ASIDE_MS } : undefined;
}
