// Keys ↔ paths of a local repository. Every key has exactly one path below the root, and no path outside it; a name that no key maps to is
// not ours. docs/repository-format.md, "Layout".
import { join } from "node:path";

/** Holds unfinished files and locks. Begins with a dot, which no key's path does. */
export const WORK_DIRECTORY = ".etcdsafe";

/** Escaped are all but these: also `/`, which separates, `%`, which escapes, and `+`, so that a file system's lost+found is never taken for ours. */
const ESCAPED = /[^A-Za-z0-9._=@,-]/gu;
/** Name of an empty part of a key: an escape without digits. */
const EMPTY = "%";

export function pathOfKey(root: string, key: string): string {
  return join(root, ...key.split("/").map(nameOfPart));
}

/** The file name of one part of a key. */
export function nameOfPart(part: string): string {
  if (part === "") return EMPTY;
  const name = part.replaceAll(ESCAPED, escaped);
  return name.startsWith(".") ? escaped(".") + name.slice(1) : name;
}

/** The part of a key that a file name stands for, or undefined when `nameOfPart` never gives that name. */
export function partOfName(name: string): string | undefined {
  if (name === EMPTY) return "";
  let part: string;
  try {
    part = decodeURIComponent(name);
  } catch {
    return undefined;
  }
  return nameOfPart(part) === name ? part : undefined;
}

function escaped(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}
