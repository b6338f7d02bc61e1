// The journal of a restore that puts its files in place: what moves where, so that a restore which dies half way is finished or undone by the next.
//
// Putting in place is a list of renames, several per member, which nothing can do at once. Before the first of them each data directory gets
//
//     <data-dir>/proxy/etcdsafe-restore.json      the journal; the same one in all data directories of the run
//
// and no etcd starts from a directory that holds `proxy`: with `member` beside it, it ends with "invalid datadir; both member and proxy directories
// exist" (server/etcdmain/etcd.go identifyDataDirOrDie); without, 3.6 and later end as well, and 3.5 becomes a proxy, which serves no keyspace of its own and
// writes nothing but `proxy/cluster`, where a peer of its --initial-cluster answers (startProxy there). So between the renames no etcd takes an empty directory for a new member, or one member's log for another's; and of several members none
// starts before all are in place.
//
// 1. Stages are complete, checked and on the disk. Each data directory: `journal.etcdsafe-<id>/etcdsafe-restore.json`, synced, is renamed to `proxy`,
//    synced: guard and journal come at once. The first rename of a file waits for all of them.
// 2. Each member: old member away, old WAL files away, new WAL in, new member in; the directories synced after each. What moves is told by its inode,
//    so the state of a move is seen: inode at `from`, to be done; at `to`, done; nowhere, lost. (Device numbers change between boots; they are not kept.)
// 3. The directories themselves get the owner that --owner asks for; the restore is put on record, where there is a place for that. Each data directory: `proxy` is renamed away again, synced, and removed: guard and
//    journal go at once.
//
// What a SIGKILL or a power failure can leave, and what the next restore does there:
//
// | died in     | what is found                          | an etcd that is started | the same request                  | another request            |
// | ----------- | -------------------------------------- | ----------------------- | --------------------------------- | -------------------------- |
// | before 1    | no guard; stages                       | the old member runs     | starts anew; stages are leftovers | the same                   |
// | 1           | some guards, no move done              | refuses, or the old one | removes the guards, starts anew   | the same                   |
// | 2           | all guards, the first n moves are done | refuses                 | goes on                           | undoes the n, last first   |
// | 3           | some guards; their moves all done      | refuses, or the new one | removes the other guards          | the same, and its own work |
//
// Undoing is the same list backwards, so that dying in it leaves a state of this table. It deletes nothing: what was placed gets its stage's name back.
// Directories that were copied after that have other inodes: they count as before 2 only where everything is at `from` and nothing at `to`. No guard goes
// before every part is seen at its place, old or new; what is not, people have to find. A restore that does not go beyond all revisions known by now is undone.
// Where a guard is missing an etcd may have been started: of the old member, which may have changed since it was looked at; or of the new one, which is
// not undone any more.
import { createHash } from "node:crypto";
import { lstat, mkdir, readFile, rename, rm, rmdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "../bytes/files.ts";
import { EtcdsafeError } from "../errors.ts";
import type { Owner } from "./access.ts";
import type { RestoreResult } from "./apply.ts";
import type { Move } from "./moves.ts";
import { GUARD_NAME, GUARD_STAGE_PREFIX } from "./target-entries.ts";

const FILE_NAME = "etcdsafe-restore.json";
/** What an etcd 3.5 that was started meanwhile may have written: the file is renamed when it is complete. */
const PROXY_FILES = ["cluster", "cluster.bkp"];
const FORMAT = 1;

export interface Journal {
  readonly format: typeof FORMAT;
  /** The stages' id. */
  readonly id: string;
  /** RFC 3339. */
  readonly startedAt: string;
  /** What was asked for: request-identity.ts. */
  readonly request: string;
  /** What the run would have told, had it come to its end. */
  readonly result: Pick<RestoreResult, "plan" | "hashKv">;
  readonly dataDirs: readonly string[];
  /** In order; of every member that the run writes. */
  readonly moves: readonly Move[];
  /** Directories that were there and get another owner. */
  readonly owners: readonly { readonly path: string; readonly from: Owner; readonly to: Owner }[];
}

/** The journal in `dataDir`, if an interrupted restore left one. Throws RESTORE_UNFINISHED for one that cannot be relied on. */
export async function readJournal(dataDir: string): Promise<Journal | undefined> {
  const path = join(dataDir, GUARD_NAME, FILE_NAME);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const journal = parseJournal(text);
  if (journal === undefined) throw byHand([dataDir], `the journal of an interrupted restore, ${path}, was altered or is damaged`);
  if (journal.format !== FORMAT) throw byHand([dataDir], `a newer etcdsafe wrote the journal of an interrupted restore, ${path}`);
  if (!journal.dataDirs.includes(dataDir))
    throw byHand(
      [dataDir],
      `the journal of an interrupted restore, ${path}, was written when the directory's path was ${journal.dataDirs.join(" or ")}`,
      `Mount the directory where it was, at ${journal.dataDirs.join(" or ")}, and restore into that: such a run finishes or undoes it. Only where that is not possible: `,
    );
  return journal;
}

/** Guards `dataDir` with the journal, durably; leaves nothing when it fails. */
export async function setGuard(dataDir: string, journal: Journal): Promise<void> {
  const staged = join(dataDir, `${GUARD_STAGE_PREFIX}${journal.id}`);
  await rm(staged, { recursive: true, force: true }); // As it may be of a run that died here.
  await mkdir(staged, { mode: 0o700 });
  try {
    await writeFile(join(staged, FILE_NAME), journalText(journal), { mode: 0o600, flush: true });
    await syncDirectory(staged);
    await rename(staged, join(dataDir, GUARD_NAME));
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw error;
  }
  await syncDirectory(dataDir);
}

/** Takes guard and journal away, at once. Something else in there stays, under the name of a leftover. */
export async function removeGuard(dataDir: string, { id }: Pick<Journal, "id">): Promise<void> {
  const gone = join(dataDir, `${GUARD_STAGE_PREFIX}${id}`);
  await rename(join(dataDir, GUARD_NAME), gone);
  await syncDirectory(dataDir);
  for (const name of [FILE_NAME, ...PROXY_FILES]) await unlink(join(gone, name)).catch(() => undefined);
  await rmdir(gone).catch(() => undefined);
}

/** Whether `dataDir` has this journal's guard. */
export async function isGuarded(dataDir: string, { id }: Pick<Journal, "id">): Promise<boolean> {
  const isThere = await lstat(join(dataDir, GUARD_NAME, FILE_NAME)).then(
    () => true,
    () => false,
  );
  return isThere && (await readJournal(dataDir))?.id === id;
}

/** With a hash, so that what was altered or cut short is known as such. */
export function journalText(journal: Journal): string {
  const sha256 = createHash("sha256").update(JSON.stringify(journal)).digest("hex");
  return `${JSON.stringify({ journal, sha256 }, undefined, 2)}\n`;
}

function parseJournal(text: string): Journal | undefined {
  try {
    const { journal, sha256 } = JSON.parse(text);
    return createHash("sha256").update(JSON.stringify(journal)).digest("hex") === sha256 ? journal : undefined;
  } catch {
    return undefined;
  }
}

/** For what no rerun can settle, in these data directories. `first`: what to try before. */
export function byHand(dataDirs: readonly string[], why: string, first = ""): EtcdsafeError {
  const guards = dataDirs.map((dataDir) => join(dataDir, GUARD_NAME)).join(" and ");
  return new EtcdsafeError("RESTORE_UNFINISHED", why, {
    hint:
      `${first}Put ${dataDirs.join(" and ")} right by hand: \`member\` has to be either what was there before, kept as \`member.before-restore-<time>\` (its log, where that has a ` +
      "directory of its own, in `before-restore-<time>` there), or all of what was restored, which is called `member.etcdsafe-<id>` until it is in place (its log " +
      `\`….wal.etcdsafe-<id>\`). Then remove ${guards}: as long as that is there, no etcd starts. Nothing was deleted.`,
  });
}
