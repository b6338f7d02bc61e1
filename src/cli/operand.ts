// What the operand of verify, restore and inspect means: a stored backup, a file, or standard input; and what to say where there is no such thing.
import { stat } from "node:fs/promises";
import { shownValue } from "../config/redact.ts";
import { nearest } from "../config/suggest.ts";
import { EtcdsafeError } from "../errors.ts";
import type { Invocation } from "./command.ts";

export type Operand = { readonly kind: "backup"; readonly reference: string } | { readonly kind: "file"; readonly path: string } | { readonly kind: "stdin" };

/**
 * Backup ids begin with the digits of a date; nothing else but `latest` and `oldest` is taken for a backup, so that a file needs no option.
 * Throws USAGE for an empty one.
 */
export function readOperand(text: string): Operand {
  requireNotEmpty(text);
  if (text === "-") return { kind: "stdin" };
  return /^(latest|oldest|\d[0-9A-Za-z-]*)$/.test(text) ? { kind: "backup", reference: text } : { kind: "file", path: text };
}

/** Throws USAGE: an empty text is the beginning of every id, and mostly a variable that was never set. */
export function requireNotEmpty(text: string): void {
  if (text === "") throw new EtcdsafeError("USAGE", "the argument is empty", { hint: "Is it a variable that was not set?" });
}

/**
 * Throws FILE_NOT_FOUND where nothing is at `path`, which may have been meant for a backup's name, and FILE_FAILED for a directory. Whatever else is
 * wrong shows when it is opened.
 */
export async function requireSnapshotFile(path: string, { config }: Invocation): Promise<void> {
  const found = await lookAt(path);
  if (found === "directory") {
    const hint = `\`etcdsafe inspect ${path}\` tells what it holds. A repository is given with --repository, and a backup in it by its id.`;
    throw new EtcdsafeError("FILE_FAILED", `${path} is a directory`, { hint });
  }
  if (found !== "nothing") return;
  const repository = config.get("repository");
  const message =
    repository === undefined
      ? `there is no file ${path}`
      : `${path} is neither a file nor a backup of cluster ${config.get("cluster")} in ${shownValue("repository", repository)}`;
  const meant = nearest(path.toLowerCase(), ["latest", "oldest"]);
  const where = repository === undefined ? " in the repository that --repository names" : "; `etcdsafe list` shows them";
  throw new EtcdsafeError("FILE_NOT_FOUND", message, {
    hint: `${meant === undefined ? "" : `Did you mean ${meant}? `}A file is named by its path, a backup by its id, a unique beginning of it, latest or oldest${where}.`,
  });
}

/** Throws FILE_NOT_FOUND where nothing is at `path`. */
export async function requirePath(path: string): Promise<void> {
  requireNotEmpty(path);
  if ((await lookAt(path)) === "nothing") throw new EtcdsafeError("FILE_NOT_FOUND", `there is no file or directory ${path}`);
}

/** Runs `find`. Where it knows no backup of that name, or no repository is named, but a file is called so, the hint says what to do with that one. */
export async function orFileOfThatName<T>(reference: string, hint: (path: string) => string, find: () => Promise<T>): Promise<T> {
  try {
    return await find();
  } catch (error) {
    const isUnknown = error instanceof EtcdsafeError && (error.code === "BACKUP_NOT_FOUND" || error.code === "USAGE");
    if (!isUnknown || (await lookAt(reference)) !== "file") throw error;
    throw new EtcdsafeError(error.code, error.message, {
      hint: `There is a file of that name: ${hint(/^[./]/.test(reference) ? reference : `./${reference}`)}`,
      cause: error,
    });
  }
}

/** What cannot be looked at is taken for a file: opening it will say why. */
async function lookAt(path: string): Promise<"nothing" | "file" | "directory"> {
  return stat(path).then(
    (stats) => (stats.isDirectory() ? "directory" : "file"),
    ({ code }: NodeJS.ErrnoException) => (code === "ENOENT" || code === "ENOTDIR" ? "nothing" : "file"),
  );
}
