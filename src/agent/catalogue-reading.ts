// What the repository holds, as it was read last. It is read in the background, one reading at a time: a repository that answers slowly puts off no run, and no takeover.
import type { ErrorCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { expectedError } from "./expected-error.ts";
import type { CatalogueStatus, TaskKind } from "./status.ts";

const READ_EVERY_MS = 5 * 60_000;
const RETRY_MS = 15_000;

export interface AgentCatalogue {
  readonly status: CatalogueStatus;
  /** When each was begun last, by whomever. */
  readonly lastBegun: Readonly<Record<TaskKind, Date | null>>;
}

export interface ReadingEffects {
  readonly runtime: Pick<Runtime, "monotonicMs" | "log">;
  /** Throws what keeps the repository from being read. */
  readCatalogue(options: CallOptions): Promise<AgentCatalogue>;
  /** Whenever one was read to its end. */
  onRead(lastBegun: AgentCatalogue["lastBegun"]): void;
}

export class CatalogueReading {
  readonly #effects: ReadingEffects;
  #status: CatalogueStatus | null = null;
  /** Of the reading that is under way. */
  #drop: AbortController | undefined;
  /** Monotonic. */
  #readAgainMs = Number.NEGATIVE_INFINITY;
  #toldError: ErrorCode | null = null;

  constructor(effects: ReadingEffects) {
    this.#effects = effects;
  }

  /** Null until it was read once. */
  get status(): CatalogueStatus | null {
    return this.#status;
  }

  /** Begins to read when it is time to. Never throws, and nobody waits for it. */
  begin(signal: AbortSignal): void {
    if (this.#drop !== undefined || this.#effects.runtime.monotonicMs() < this.#readAgainMs) return;
    const drop = new AbortController();
    this.#drop = drop;
    void this.#read(AbortSignal.any([signal, drop.signal])).finally(() => {
      if (this.#drop === drop) this.#drop = undefined;
    });
  }

  /** The repository holds something else now: what is being read is older, and it is time to read again. */
  outdated(): void {
    this.#drop?.abort();
    this.#drop = undefined;
    this.#readAgainMs = Number.NEGATIVE_INFINITY;
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { runtime, readCatalogue, onRead } = this.#effects;
    try {
      const { status, lastBegun } = await readCatalogue({ signal });
      if (signal.aborted) return;
      this.#status = status;
      this.#readAgainMs = runtime.monotonicMs() + READ_EVERY_MS;
      this.#toldError = null;
      onRead(lastBegun);
    } catch (error) {
      if (signal.aborted) return;
      this.#readAgainMs = runtime.monotonicMs() + RETRY_MS;
      const { code, message } = expectedError(error);
      // Once for each reason: it may be away for days.
      if (this.#toldError !== code) runtime.log({ level: "warn", message: `the repository could not be read: ${message}` });
      this.#toldError = code;
    }
  }
}
