// What reading a backup or a file has found so far: everything is collected, and the first thing that was wrong is the reason of the failure.
import { ERRORS, type ErrorCode, EtcdsafeError, FormatError } from "../errors.ts";
import type { Verification } from "../repository/sidecars.ts";

export type ObjectFinding = Verification["findings"][number];
export type Failure = NonNullable<Verification["failure"]>;
export type HashKvValue = NonNullable<Verification["hashKv"]>;

export class Examination {
  readonly findings: ObjectFinding[] = [];
  failure: Failure | null = null;
  hashKv: HashKvValue | null = null;
  readSizeBytes = 0;

  get outcome(): "passed" | "failed" {
    return this.failure === null ? "passed" : "failed";
  }

  /** Records that `object` is not what it should be. `offset` is 0 where no place in it is to blame. */
  fail(code: ErrorCode, object: string, message: string, { offset = 0, hint }: { readonly offset?: number; readonly hint?: string } = {}): void {
    this.findings.push({ severity: "error", object, offset, text: message });
    this.blame(code, message, hint);
  }

  /** Makes this the reason of the failure, unless there is one. The findings are the caller's. */
  blame(code: ErrorCode, message: string, hint?: string): void {
    this.failure ??= { code, message, hint: hint ?? ERRORS[code].hint };
  }

  /** Records an error that says that `object` is damaged or missing. Throws any other again: then nothing is known about it. */
  failWith(error: unknown, object: string): void {
    if (!isDamage(error)) throw error;
    const offset = error instanceof FormatError ? error.offset : 0;
    this.fail(error.code, object, error.message, { offset, hint: error.hint });
  }
}

/** Exit code 6 stands for corrupt (src/errors.ts); and an object that a manifest names has to be there. */
function isDamage(error: unknown): error is EtcdsafeError {
  return error instanceof EtcdsafeError && (ERRORS[error.code].exit === 6 || error.code === "STORAGE_NOT_FOUND");
}
