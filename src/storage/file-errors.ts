// What the operating system says about a local repository, in the words of the error table.
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type ErrorCode, EtcdsafeError } from "../errors.ts";

/** Everything not listed is a store that does not answer as it should: EIO, ESTALE, ENODEV, … */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "STORAGE_FULL",
  EDQUOT: "STORAGE_FULL",
  EFBIG: "STORAGE_FULL",
  EACCES: "STORAGE_DENIED",
  EPERM: "STORAGE_DENIED",
  EROFS: "STORAGE_DENIED",
};

/** Runs a step of the file system's, `what` of which ("write default/cluster.json") begins the message when it fails. */
export async function inFileSystem<T>(root: string, what: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === "ENOTDIR") throw await fileInTheWay(root, what, error);
    throw new EtcdsafeError(CODES[error.code] ?? "STORAGE_UNREACHABLE", `cannot ${what} in the repository ${root}: ${error.message}`, { cause: error });
  }
}

/** A file where a directory has to be will not become one by trying again. */
async function fileInTheWay(root: string, what: string, cause: Error): Promise<EtcdsafeError> {
  for (let path = root; ; path = dirname(path)) {
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined && path !== dirname(path)) continue;
    if (stats === undefined || stats.isDirectory()) break;
    const kind = stats.isFile() ? "a file" : "no directory";
    const message = path === root ? `${root} is ${kind}, not a repository` : `there is no repository in ${root}: ${path} is ${kind}`;
    const hint = `A repository is a directory. To look at a snapshot file: \`etcdsafe verify ${path}\` or \`etcdsafe inspect ${path}\`.`;
    return new EtcdsafeError("REPOSITORY_NOT_FOUND", message, { hint, cause });
  }
  return new EtcdsafeError("REPOSITORY_INVALID", `cannot ${what} in the repository ${root}, where a file is in the place of a directory: ${cause.message}`, {
    cause,
  });
}

/** Whether `error` comes from the operating system with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return isSystemError(error) && codes.includes(error.code);
}

/** Waits for `step`, whose failure to find its file is an answer: undefined. */
export async function ifExists<T>(step: Promise<T>): Promise<T | undefined> {
  try {
    return await step;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}
