// Walks a local repository's directories in the order of keys.
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ifExists } from "./file-errors.ts";
import { partOfName, pathOfKey } from "./file-paths.ts";

interface Entry {
  /** Of a directory with a trailing slash, as the keys below it have: `a.json` sorts before what is in `a/`. */
  readonly key: string;
  readonly path: string;
  readonly isDirectory: boolean;
}

/** Keys and paths of all files whose key starts with `prefix`, ordered by their UTF-8 bytes. Holds one directory's names per level. */
export async function* walk(root: string, prefix: string): AsyncGenerator<{ readonly key: string; readonly path: string }> {
  const parent = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  yield* walkDirectory(parent === "" ? root : pathOfKey(root, parent.slice(0, -1)), parent, prefix);
}

async function* walkDirectory(path: string, keyPrefix: string, prefix: string): AsyncGenerator<{ readonly key: string; readonly path: string }> {
  const found = (await ifExists(readdir(path, { withFileTypes: true }))) ?? [];
  const entries: Entry[] = [];
  for (const each of found) {
    const part = partOfName(each.name);
    if (part === undefined || !`${keyPrefix}${part}`.startsWith(prefix)) continue;
    const isDirectory = await leadsToDirectory(each, path);
    entries.push({ key: `${keyPrefix}${part}${isDirectory ? "/" : ""}`, path: join(path, each.name), isDirectory });
  }
  for (const entry of sortedByBytes(entries)) {
    if (entry.isDirectory) yield* walkDirectory(entry.path, entry.key, prefix);
    else yield entry;
  }
}

async function leadsToDirectory(entry: Dirent, parent: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return (await ifExists(stat(join(parent, entry.name))))?.isDirectory() ?? false;
}

/** By UTF-8 bytes, as object stores sort; JavaScript compares UTF-16 units. */
function sortedByBytes(entries: readonly Entry[]): Entry[] {
  return entries
    .map((entry) => ({ entry, bytes: Buffer.from(entry.key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ entry }) => entry);
}
