// What reading a backup or a file has found so far: everything is collected, and the first thing that was wrong is the reason of the failure.
import { ERRORS, type ErrorCode, EtcdsafeError, FormatError } from "../errors.ts";
import type { Verification } from "../repository/sidecars.ts";

export interface ObjectFinding {
  readonly severity: "warning" | "error";
  /** The object or file it is about. */
  readonly object: string;
  /** Byte of the object; null where it is the object as a whole that is wrong, and no place in it. */
  readonly offset: number | null;
  /** Without the object's name and the offset. */
  readonly text: string;
}

/** The code's own says how to find what was found already. */
const MISSING_HINT = "Somebody removed it from the repository: put it back from a copy, or use another backup; `etcdsafe list` shows which are good.";

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

  /** Records that `object` is not what it should be. `message` stands by itself, and so may name the object. */
  fail(code: ErrorCode, object: string, message: string): void {
    this.findings.push({ severity: "error", object, offset: null, text: withoutName(message, object) });
    this.blame(code, message);
  }

  /** Makes this the reason of the failure, unless there is one. The findings are the caller's. */
  blame(code: ErrorCode, message: string, hint?: string): void {
    this.failure ??= { code, message, hint: hint ?? ERRORS[code].hint };
  }

  /** Records an error that says that `object` is damaged or missing. Throws any other again: then nothing is known about it. */
  failWith(error: unknown, object: string): void {
    if (!isDamage(error)) throw error;
    const [offset, what] = error instanceof FormatError ? [error.offset, error.what] : [null, error.message];
    this.findings.push({ severity: "error", object, offset, text: withoutName(what, object) });
    this.blame(error.code, error.message, error.code === "STORAGE_NOT_FOUND" ? MISSING_HINT : error.hint);
  }
}

/** What a message that begins with the object's name, or its key in the store, says of it. */
function withoutName(message: string, object: string): string {
  const at = message.indexOf(object);
  const [, separator, rest] = /^(: | )(.*)$/s.exec(message.slice(at + object.length)) ?? [];
  if (at < 0 || rest === undefined || message.slice(0, at).includes(" ")) return message;
  return separator === " " ? `it ${rest}` : rest;
}

/** Exit code 6 stands for corrupt (src/errors.ts); and an object that a manifest names has to be there. */
function isDamage(error: unknown): error is EtcdsafeError {
  return error instanceof EtcdsafeError && (ERRORS[error.code].exit === 6 || error.code === "STORAGE_NOT_FOUND");
}
