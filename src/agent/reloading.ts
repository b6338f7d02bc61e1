// What a running agent reads again: its configuration, its certificate, its token. Each on its own: what is wrong with one keeps no other from being taken over.
import { readFile } from "node:fs/promises";
import { EtcdsafeError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";

export interface Reloadable {
  /** For messages: "the configuration". */
  readonly name: string;
  /** It is read again when their contents change. */
  readonly files: readonly string[];
  /** Takes over what they hold now. Throws what is wrong with that: then what was before stays in force. */
  take(): Promise<void>;
}

export interface ReloadingEffects {
  readonly runtime: Pick<Runtime, "sleep" | "log">;
  /** What is kept out, and why; nothing where all that the files hold is in force. */
  refused(messages: readonly string[]): void;
}

interface Watched extends Reloadable {
  /** The contents that were taken, or refused; undefined where a file was absent. */
  known: string | undefined;
  wasAbsent: boolean;
  refusal: string | undefined;
}

const POLL_MS = 5_000;

export class Reloading {
  readonly #effects: ReloadingEffects;
  readonly #watched: Watched[] = [];
  #isAsked = false;
  #wake: () => void = () => undefined;

  constructor(effects: ReloadingEffects) {
    this.#effects = effects;
  }

  /** What its files hold now is to be taken by the caller, after this; what they hold later is taken here. */
  async watch(reloadable: Reloadable): Promise<void> {
    this.#watched.push({ ...reloadable, known: await contentsOf(reloadable.files), wasAbsent: false, refusal: undefined });
  }

  /** All is read again, whether it has changed or not. */
  askFor(): void {
    this.#isAsked = true;
    this.#wake();
  }

  /** Until `signal` is aborted. Rejects with faults of etcdsafe's alone. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#nextLook(signal);
      if (signal.aborted) return;
      const isAsked = this.#isAsked;
      this.#isAsked = false;
      for (const each of this.#watched) await this.#look(each, isAsked);
      this.#effects.refused(this.#watched.flatMap(({ refusal }) => refusal ?? []));
    }
  }

  async #nextLook(signal: AbortSignal): Promise<void> {
    if (this.#isAsked) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#effects.runtime.sleep(POLL_MS, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
  }

  /** A file that is absent is being replaced; one that is so still at the next look is gone. */
  async #look(each: Watched, isAsked: boolean): Promise<void> {
    const { log } = this.#effects.runtime;
    const contents = await contentsOf(each.files);
    const isBeingReplaced = contents === undefined && !each.wasAbsent;
    each.wasAbsent = contents === undefined;
    if (!isAsked && (isBeingReplaced || contents === each.known)) return;
    each.known = contents;
    try {
      await each.take();
      each.refusal = undefined;
      log({ level: "info", message: `${each.name} was read again` });
    } catch (error) {
      if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
      each.refusal = error.message;
      log({ level: "error", message: `${each.name} is refused, and the one before is kept: ${error.message}`, fields: { code: error.code } });
    }
  }
}

/** Undefined where one of them cannot be read. */
async function contentsOf(files: readonly string[]): Promise<string | undefined> {
  const contents = await Promise.all(files.map((path) => readFile(path, "latin1").catch(() => undefined)));
  return contents.includes(undefined) ? undefined : JSON.stringify(contents);
}
