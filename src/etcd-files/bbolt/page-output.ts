// New pages on their way to the file, in the order they are allocated: each is laid out in a window that is written when full.

/** Where bytes are put: a file, or memory. */
export interface PageSink {
  /** Writes all of `bytes` at `offset`, growing the file where needed. The caller may reuse `bytes` afterwards. */
  write(offset: number, bytes: Uint8Array): void;
}

const WINDOW_SIZE_BYTES = 1024 * 1024;

export class PageOutput {
  readonly pageSizeBytes: number;
  readonly #sink: PageSink;
  readonly #window: Uint8Array;
  /** Page id of the window's first byte. */
  #windowPageId: number;
  #windowPages = 0;

  /** `firstPageId`: the first id to give away, 2 in a new file, the high-water mark in an old one. */
  constructor(sink: PageSink, pageSizeBytes: number, firstPageId: number) {
    this.#sink = sink;
    this.pageSizeBytes = pageSizeBytes;
    this.#windowPageId = firstPageId;
    this.#window = new Uint8Array(Math.max(WINDOW_SIZE_BYTES, pageSizeBytes));
  }

  /** The id the next page gets; after the last one this is the file's high-water mark. */
  get nextPageId(): number {
    return this.#windowPageId + this.#windowPages;
  }

  /** Allocates as many pages as `sizeBytes` need and has `layOut` fill all their bytes. Gives the first one's id. */
  add(sizeBytes: number, layOut: (target: Uint8Array, pageId: number, overflow: number) => void): number {
    const pages = Math.ceil(sizeBytes / this.pageSizeBytes);
    const windowCapacity = Math.floor(this.#window.length / this.pageSizeBytes);
    if (this.#windowPages + pages > windowCapacity) this.flush();
    const pageId = this.nextPageId;
    if (pages > windowCapacity) {
      const page = new Uint8Array(pages * this.pageSizeBytes);
      layOut(page, pageId, pages - 1);
      this.#sink.write(pageId * this.pageSizeBytes, page);
      this.#windowPageId += pages;
      return pageId;
    }
    const start = this.#windowPages * this.pageSizeBytes;
    layOut(this.#window.subarray(start, start + pages * this.pageSizeBytes), pageId, pages - 1);
    this.#windowPages += pages;
    return pageId;
  }

  /** Writes what the window holds. */
  flush(): void {
    if (this.#windowPages === 0) return;
    this.#sink.write(this.#windowPageId * this.pageSizeBytes, this.#window.subarray(0, this.#windowPages * this.pageSizeBytes));
    this.#windowPageId += this.#windowPages;
    this.#windowPages = 0;
  }
}
