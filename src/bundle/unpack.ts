// Unpacks a bundle that was checked: into a directory beside the one that is asked for, which gets its name when all is there. Nothing is overwritten, and
// nothing is written through a link: links are made last.
import { chmod, chown, lchown, lstat, lutimes, mkdir, open, readdir, realpath, rename, rm, stat, symlink, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createDirectories, syncDirectory } from "../bytes/files.ts";
import { partPath } from "../bytes/part-path.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Bundle, BundleEntry } from "./read.ts";
import { INDEX_NAME } from "./tree.ts";

export interface StagedBundle {
  /** As it was asked for. */
  readonly directory: string;
  /** Gives what was unpacked its name. Throws TARGET_NOT_EMPTY where something has come there meanwhile. */
  place(): Promise<void>;
  /** Removes what was unpacked. Never throws. */
  discard(): Promise<void>;
}

/** Keys are in it: the directory is its owner's alone, as what no entry says otherwise of. */
const DIRECTORY_MODE = 0o700;
const INDEX_MODE = 0o600;
/** Of a file, set-user-ID and set-group-ID are not restored: no certificate or configuration needs them, and a bundle may come from anybody. */
const FILE_MODE_MASK = 0o777;

/** Throws TARGET_NOT_EMPTY unless `directory` is empty, or absent and can be made. */
export async function requireEmptyDirectory(directory: string): Promise<void> {
  const names = await readdir(directory).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      await requireNoDanglingLink(directory);
      return [];
    }
    if (error.code === "ENOTDIR") throw new EtcdsafeError("TARGET_NOT_EMPTY", `${directory}, where the bundle is to go, is no directory, or lies below a file`);
    throw fileFailed(directory, error);
  });
  if (names.length > 0) throw new EtcdsafeError("TARGET_NOT_EMPTY", `${directory}, where the bundle is to go, is not empty`);
}

/** No directory can be made through a link that leads nowhere, nor be given its name. */
async function requireNoDanglingLink(directory: string): Promise<void> {
  const full = resolve(directory);
  let place = full;
  while (place !== dirname(place) && (await lstat(place).catch(() => undefined)) === undefined) place = dirname(place);
  if ((await stat(place).catch(() => undefined)) !== undefined) return;
  const where = place === full ? "is a link" : `lies below ${place}, a link`;
  throw new EtcdsafeError("TARGET_NOT_EMPTY", `${directory}, where the bundle is to go, ${where} that leads nowhere`);
}

/** Owners are restored by root alone. Throws TARGET_NOT_EMPTY, TARGET_NO_SPACE and FILE_FAILED; nothing is left then. */
export async function stageBundle(
  { indexBytes, entries }: Bundle,
  directory: string,
  { signal, runtime }: CallOptions & { readonly runtime: Pick<Runtime, "randomBytes"> },
): Promise<StagedBundle> {
  await requireEmptyDirectory(directory);
  // No directory gets the name of a link, but what the link leads to can be replaced.
  const full = await realpath(directory).catch(() => resolve(directory));
  const stage = partPath(full, runtime);
  const discard = () => rm(stage, { recursive: true, force: true }).catch(() => undefined);
  try {
    await createDirectories(dirname(full), DIRECTORY_MODE);
    await mkdir(stage, { mode: DIRECTORY_MODE });
    await writeFileDurably(join(stage, INDEX_NAME), indexBytes, INDEX_MODE);
    for (const { facts } of of("directory", entries)) await createDirectories(join(stage, facts.name), DIRECTORY_MODE);
    for (const entry of of("file", entries)) {
      signal.throwIfAborted();
      await placeFile(stage, entry);
    }
    for (const entry of of("symlink", entries)) await placeLink(stage, entry);
    // The innermost first: what is put into a directory changes its time, and its mode may forbid it.
    for (const entry of of("directory", entries).toReversed()) await finishDirectory(stage, entry);
    await syncDirectory(stage);
  } catch (error) {
    await discard();
    signal.throwIfAborted();
    throw fileFailed(directory, error);
  }
  return {
    directory,
    discard,
    place: async () => {
      try {
        await rename(stage, full);
        await syncDirectory(dirname(full));
      } catch (error) {
        await discard();
        throw fileFailed(directory, error);
      }
    },
  };
}

function of(type: BundleEntry["facts"]["type"], entries: readonly BundleEntry[]): BundleEntry[] {
  return entries.filter(({ facts }) => facts.type === type).sort((a, b) => (a.facts.name < b.facts.name ? -1 : 1));
}

async function placeFile(stage: string, { facts, bytes }: BundleEntry): Promise<void> {
  const path = join(stage, facts.name);
  await createDirectories(dirname(path), DIRECTORY_MODE);
  await writeFileDurably(path, bytes, 0o600);
  if (isRoot()) await chown(path, facts.uid, facts.gid);
  await chmod(path, Number.parseInt(facts.mode, 8) & FILE_MODE_MASK);
  const time = new Date(facts.modifiedAt);
  await utimes(path, time, time);
}

async function placeLink(stage: string, { facts }: BundleEntry): Promise<void> {
  const path = join(stage, facts.name);
  await createDirectories(dirname(path), DIRECTORY_MODE);
  await symlink(facts.linkTarget!, path);
  if (isRoot()) await lchown(path, facts.uid, facts.gid);
  const time = new Date(facts.modifiedAt);
  await lutimes(path, time, time);
}

async function finishDirectory(stage: string, { facts }: BundleEntry): Promise<void> {
  const path = join(stage, facts.name);
  await syncDirectory(path);
  if (isRoot()) await chown(path, facts.uid, facts.gid);
  await chmod(path, Number.parseInt(facts.mode, 8));
  const time = new Date(facts.modifiedAt);
  await utimes(path, time, time);
}

async function writeFileDurably(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function fileFailed(directory: string, error: unknown): unknown {
  if (error instanceof EtcdsafeError || !(error instanceof Error) || !("syscall" in error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOTEMPTY" || code === "EEXIST")
    return new EtcdsafeError("TARGET_NOT_EMPTY", `${directory}, where the bundle is to go, is not empty`, { cause: error });
  if (code === "ENOSPC" || code === "EDQUOT")
    return new EtcdsafeError("TARGET_NO_SPACE", `the bundle cannot be unpacked into ${directory}: ${message}`, { cause: error });
  return new EtcdsafeError("FILE_FAILED", `the bundle cannot be unpacked into ${directory}: ${message}`, { cause: error });
}
