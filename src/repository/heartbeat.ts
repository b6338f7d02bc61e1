// How a writer keeps a file of its own fresh, so that others see that it lives: a lease, an upload marker.
import type { CallOptions, Runtime } from "../runtime.ts";

export interface Heartbeat {
  readonly everyMs: number;
  /** Aborted when nothing is to be renewed any more; what is under way ends then. */
  readonly stopped: AbortSignal;
  /** Aborted once the file is another's. */
  readonly lost: AbortSignal;
  renew(options: CallOptions): Promise<void>;
  /** Told of a renewal that failed, and is tried again at the next beat. */
  failed(error: Error): void;
}

/** Renews until stopped or lost. Never throws. */
export async function beat({ everyMs, stopped, lost, renew, failed }: Heartbeat, { sleep }: Pick<Runtime, "sleep">): Promise<void> {
  while (!lost.aborted) {
    await sleep(everyMs, stopped).catch(() => undefined);
    if (stopped.aborted) return;
    await renew({ signal: stopped }).catch((error: Error) => {
      if (!stopped.aborted) failed(error);
    });
  }
}

/** Renewals wait for each other: each names the version that the one before has written. */
export class InTurn {
  #last: Promise<void> = Promise.resolve();

  /** Does `step` when the one before has ended, whatever became of that. */
  run(step: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(step);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
