// What the file system refuses during a restore, in the words of the error table.
import { FILE_TOO_LARGE_HINT } from "../bytes/files.ts";
import { EtcdsafeError } from "../errors.ts";

/** TARGET_NO_SPACE, TARGET_NOT_EMPTY or FILE_FAILED for an error of the file system; anything else as it is. */
export function fileError(error: unknown): unknown {
  if (error instanceof EtcdsafeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return new EtcdsafeError("TARGET_NO_SPACE", `the target's file system filled up: ${message}`, { cause: error });
  // What is there before a restore begins is seen before anything is written.
  if (code === "EEXIST" || code === "ENOTEMPTY") {
    return new EtcdsafeError("TARGET_NOT_EMPTY", `something has appeared meanwhile where the restore writes: ${message}`, {
      hint: "Another restore, or somebody else, wrote it: look at it, or name another directory. Nothing was put in place by this one.",
      cause: error,
    });
  }
  if (code === undefined) return error;
  const hint = code === "EFBIG" ? { hint: FILE_TOO_LARGE_HINT } : {};
  return new EtcdsafeError("FILE_FAILED", `the restore cannot read or write its files: ${message}`, { ...hint, cause: error });
}
