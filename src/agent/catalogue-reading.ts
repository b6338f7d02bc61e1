// What the repository holds, as it was read last. It is read in the background, one reading at a time: a repository that answers slowly puts off no run, and no takeover.
import type { CallOptions, Runtime } from "../runtime.ts";
import { expectedError } from "./expected-error.ts";
import type { AgentStatus, CatalogueStatus, TaskKind } from "./status.ts";

const READ_EVERY_MS = 5 * 60_000;
const RETRY_MS = 15_000;
/** What is said of a repository that cannot be read is said again, for whoever reads no log of last week's. */
const SAY_AGAIN_MS = 60 * 60_000;

export interface AgentCatalogue {
  readonly status: CatalogueStatus;
  /** When each was begun last, by whomever. */
  readonly lastBegun: Readonly<Record<TaskKind, Date | null>>;
  /** When the newest backup that a restore takes was made; null where there is none. */
  readonly newestBackupAt: Date | null;
}

export interface ReadingEffects {
  readonly runtime: Pick<Runtime, "now" | "monotonicMs" | "log">;
  /** Throws what keeps the repository from being read. */
  readCatalogue(options: CallOptions): Promise<AgentCatalogue>;
  /** Whenever one was read to its end. */
  onRead(lastBegun: AgentCatalogue["lastBegun"]): void;
}

export class CatalogueReading {
  readonly #effects: ReadingEffects;
  #last: AgentCatalogue | undefined;
  #unreadable: AgentStatus["unreadable"] = null;
  /** Of the reading that is under way. */
  #drop: AbortController | undefined;
  /** Monotonic. */
  #readAgainMs = Number.NEGATIVE_INFINITY;
  /** Monotonic. */
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(effects: ReadingEffects) {
    this.#effects = effects;
  }

  /** Null until it was read once. */
  get status(): CatalogueStatus | null {
    return this.#last?.status ?? null;
  }

  get newestBackupAt(): Date | null {
    return this.#last?.newestBackupAt ?? null;
  }

  /** As AgentStatus has it. */
  get unreadable(): AgentStatus["unreadable"] {
    return this.#unreadable;
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
      const read = await readCatalogue({ signal });
      if (signal.aborted) return;
      this.#last = read;
      this.#readAgainMs = runtime.monotonicMs() + READ_EVERY_MS;
      this.#unreadable = null;
      onRead(read.lastBegun);
    } catch (error) {
      if (signal.aborted) return;
      const nowMs = runtime.monotonicMs();
      this.#readAgainMs = nowMs + RETRY_MS;
      const { code, message } = expectedError(error);
      if (this.#unreadable?.code !== code || nowMs - this.#saidMs >= SAY_AGAIN_MS) {
        runtime.log({ level: "warn", message: `the repository could not be read: ${message}`, fields: { code } });
        this.#saidMs = nowMs;
      }
      this.#unreadable = { since: this.#unreadable?.since ?? runtime.now().toISOString(), code, message };
    }
  }
}
