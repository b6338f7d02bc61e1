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
  /** The one that is under way, also for longer than it may be: nothing ends a read that hangs. */
  look: Promise<void> | undefined;
  hangs: boolean;
}

const POLL_MS = 5_000;
const LOOK_LIMIT_MS = 4_000;

export class Reloading {
  readonly #effects: ReloadingEffects;
  readonly #watched: Watched[] = [];
  #isAsked = false;
  /** Of etcdsafe. */
  #fault: { readonly thrown: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(effects: ReloadingEffects) {
    this.#effects = effects;
  }

  /** What its files hold now is to be taken by the caller, after this; what they hold later is taken here. */
  async watch(reloadable: Reloadable): Promise<void> {
    this.#watched.push({ ...reloadable, known: await contentsOf(reloadable.files), wasAbsent: false, refusal: undefined, look: undefined, hangs: false });
  }

  /** All is read again, whether it has changed or not. */
  askFor(): void {
    this.#isAsked = true;
    this.#wake();
  }

  /** Until `signal` is aborted, also where a file hangs then. Rejects with faults of etcdsafe's alone. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#nextLook(signal);
      if (signal.aborted) return;
      const isAsked = this.#isAsked;
      this.#isAsked = false;
      await this.#lookAtAll(isAsked, signal);
      if (this.#fault !== undefined) throw this.#fault.thrown;
      this.#effects.refused(this.#watched.flatMap((each) => (each.hangs ? hanging(each) : (each.refusal ?? []))));
    }
  }

  async #nextLook(signal: AbortSignal): Promise<void> {
    if (this.#isAsked) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#effects.runtime.sleep(POLL_MS, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
  }

  /** At each by itself: one that hangs is told, left to itself, and not looked at again before it has come to its end. */
  async #lookAtAll(isAsked: boolean, signal: AbortSignal): Promise<void> {
    for (const each of this.#watched) each.look ??= this.#lookUntilEnd(each, isAsked);
    const over = new AbortController();
    void Promise.all(this.#watched.map(({ look }) => look)).then(() => over.abort());
    await this.#effects.runtime.sleep(LOOK_LIMIT_MS, AbortSignal.any([signal, over.signal])).catch(() => undefined);
    if (signal.aborted) return;
    for (const each of this.#watched) {
      if (each.look !== undefined && !each.hangs)
        this.#effects.runtime.log({ level: "error", message: `${each.name} is kept as it was before: ${hanging(each)}` });
      each.hangs = each.look !== undefined;
    }
  }

  async #lookUntilEnd(each: Watched, isAsked: boolean): Promise<void> {
    try {
      await this.#look(each, isAsked);
    } catch (thrown) {
      this.#fault = { thrown };
    } finally {
      each.look = undefined;
    }
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

function hanging({ files }: Watched): string {
  return `what reads ${files.join(", ")} hangs: look at the mount, and start the agent again where that does not end it`;
}

/** Undefined where one of them cannot be read. */
async function contentsOf(files: readonly string[]): Promise<string | undefined> {
  const contents = await Promise.all(files.map((path) => readFile(path, "latin1").catch(() => undefined)));
  return contents.includes(undefined) ? undefined : JSON.stringify(contents);
}
