// The file that a catalogue's memory is kept in between runs, one for each cluster of a repository. It may be deleted at any time: what is damaged, somebody
// else's, or cannot be written is as if it were not there, and is written anew.
//
// Two lines of JSON: what it is of, with the SHA-256 of the second; and the documents. Nothing waits for the disk: what a power failure leaves fails its hash.
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Runtime } from "../runtime.ts";
import { type CachedDocument, CatalogueCache } from "./catalogue-cache.ts";
import type { Repository } from "./repository.ts";

export interface CachePlace {
  readonly directory: string;
  readonly repository: Repository;
  readonly cluster: string;
  /** Of etcdsafe: another one may remember less of a document, or more. */
  readonly version: string;
}

/** Changes with what is remembered of a document (brief.ts), or how. */
const FORM = 1;
/** That of some hundred thousand backups. */
const SIZE_BYTES_MAX = 256 * 1024 * 1024;
/** Nobody takes as long to write it; after that, who began is dead. */
const WRITING_MS_MAX = 60_000;
const OTHERS_MAY_WRITE = 0o022;

/** An empty one where there is none that can be used. Never throws. */
export async function readCatalogueCache(place: CachePlace): Promise<CatalogueCache> {
  try {
    return new CatalogueCache(parse(await readOwn(pathOf(place)), place));
  } catch {
    return new CatalogueCache([]);
  }
}

/** Never throws. */
export async function writeCatalogueCache(place: CachePlace, cache: CatalogueCache, { now }: Pick<Runtime, "now">): Promise<void> {
  if (!cache.isChanged) return;
  const path = pathOf(place);
  const body = JSON.stringify(cache.documents);
  try {
    await makeDirectory(place.directory);
    await replace(path, `${JSON.stringify({ ...headOf(place), sha256: sha256(body) })}\n${body}\n`, now().getTime());
  } catch {
    // The next run reads from the store what this one has read.
  }
}

/** One after the other: with `recursive`, Node (24.21) never ends where nothing can be made, as below /proc. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(directory) === directory || (await isThere(dirname(directory)))) throw error;
    await makeDirectory(dirname(directory));
    await mkdir(directory, { mode: 0o700 });
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function pathOf({ directory, repository, cluster }: CachePlace): string {
  // A copy of a repository has its id, and versions of its own.
  return join(directory, `${repository.file.id}-${cluster}-${sha256(repository.storage.location).slice(0, 16)}.json`);
}

function headOf({ repository, cluster, version }: CachePlace) {
  return { form: FORM, version, repository: repository.file.id, location: repository.storage.location, cluster };
}

/** Throws for anything but a file that nobody else can have written. */
async function readOwn(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { uid, mode, size } = await file.stat();
    const isOwn = uid === process.geteuid?.() && (mode & OTHERS_MAY_WRITE) === 0;
    if (!isOwn || size > SIZE_BYTES_MAX) throw new Error("not to be used");
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** Throws for what was not written by writeCatalogueCache for this place. */
function parse(text: string, place: CachePlace): readonly CachedDocument[] {
  const end = text.indexOf("\n");
  const body = text.slice(end + 1, -1);
  const head: unknown = JSON.parse(text.slice(0, end));
  if (!isDeepStrictEqual(head, { ...headOf(place), sha256: sha256(body) })) throw new Error("not of this place");
  return JSON.parse(body);
}

async function replace(path: string, text: string, nowMs: number): Promise<void> {
  const part = `${path}.part`;
  const written = await stat(part).catch(() => undefined);
  if (written !== undefined && nowMs - written.mtimeMs > WRITING_MS_MAX) await unlink(part);
  const file = await open(part, "wx", 0o600); // Where another run writes just now, that is as good.
  try {
    await file.writeFile(text);
    await rename(part, path);
  } catch (error) {
    await unlink(part);
    throw error;
  } finally {
    await file.close();
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
