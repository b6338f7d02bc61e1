// What a catalogue remembers of documents that it has read: by key and version as the store lists them, so that what was replaced there is read again.
// Only what the listing cannot tell is remembered; sizes, and what is there at all, are always the store's.
import type { ObjectInfo } from "../storage/storage.ts";

/** One document, as it is remembered. */
export type CachedDocument = readonly [key: string, version: string, value: unknown];

export interface DocumentCache {
  /** What `read` gave of this version once, or gives now. A failure is never remembered. The value has to be plain JSON. */
  of<T>(info: Pick<ObjectInfo, "key" | "version">, read: () => Promise<T>): Promise<T>;
}

export const NO_CACHE: DocumentCache = { of: (_info, read) => read() };

export class CatalogueCache implements DocumentCache {
  readonly #before: ReadonlyMap<string, CachedDocument>;
  readonly #asked = new Map<string, CachedDocument>();
  #isChanged = false;

  constructor(before: readonly CachedDocument[]) {
    this.#before = new Map(before.map((document) => [document[0], document]));
  }

  async of<T>({ key, version }: Pick<ObjectInfo, "key" | "version">, read: () => Promise<T>): Promise<T> {
    const known = this.#before.get(key);
    if (known !== undefined && known[1] === version) {
      this.#asked.set(key, known);
      return known[2] as T; // Whoever asks by a key has asked for the same before: of each kind of document, one form is remembered.
    }
    const value = await read();
    this.#asked.set(key, [key, version, value]);
    this.#isChanged = true;
    return value;
  }

  /** What was asked for: everything else is gone from the store. */
  get documents(): readonly CachedDocument[] {
    return [...this.#asked.values()];
  }

  get isChanged(): boolean {
    return this.#isChanged || this.#asked.size !== this.#before.size;
  }
}
