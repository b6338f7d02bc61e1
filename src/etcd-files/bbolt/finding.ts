// What a check found. Checks collect, they do not throw: whoever asked decides what is fatal.

export interface Finding {
  /** An error means that the file is damaged; a warning that etcd reads it all the same. */
  readonly severity: "warning" | "error";
  /** Byte of the file that it was found at. */
  readonly offset: number;
  readonly text: string;
}

/** A damaged file can have one for every byte; nobody reads more than these. */
export const FINDINGS_MAX = 1000;

/** Findings up to a limit; what comes after is only counted. */
export class Findings {
  readonly #kept: Finding[] = [];
  #errors = 0;
  #dropped = 0;
  #firstDropped: Finding | undefined;

  error(offset: number, text: string): void {
    this.#errors += 1;
    this.#add({ severity: "error", offset, text });
  }

  warning(offset: number, text: string): void {
    this.#add({ severity: "warning", offset, text });
  }

  get errors(): number {
    return this.#errors;
  }

  /** All of them; the last one says how many there were beyond FINDINGS_MAX, and where they go on. */
  list(): Finding[] {
    if (this.#firstDropped === undefined) return [...this.#kept];
    const { offset } = this.#firstDropped;
    return [...this.#kept, { severity: this.#errors > 0 ? "error" : "warning", offset, text: `and ${this.#dropped} more, the next of them here` }];
  }

  #add(finding: Finding): void {
    if (this.#kept.length < FINDINGS_MAX) this.#kept.push(finding);
    else {
      this.#firstDropped ??= finding;
      this.#dropped += 1;
    }
  }
}
