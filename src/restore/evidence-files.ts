// Evidence from files on this host: the data directories that are replaced, what earlier restores have kept of them, and what --evidence names.
import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runInWorker } from "../bytes/worker.ts";
import { EtcdsafeError } from "../errors.ts";
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import type { CallOptions } from "../runtime.ts";
import { type Evidence, type GatheredEvidence, joinEvidence, NO_EVIDENCE } from "./evidence.ts";
import { type MemberFiles, memberEvidence } from "./member-revision.ts";
import type { MemberPlaces } from "./member-revision-worker.ts";
import { isReleased, type Unfinished } from "./settlement.ts";
import { asIfUndone, findUnfinished } from "./unfinished.ts";

/** The member that is there, and those that restores have put aside. Nothing where there is no such directory. */
const MEMBER = /^member(\.before-restore-.+)?$/;

/** A directory that a restore is to write, as it is before. */
export async function dataDirectoryEvidence(dataDir: string, walDir: string | undefined, options: CallOptions): Promise<GatheredEvidence> {
  return membersEvidence(dataDir, walDir, "data-directory", options);
}

/** The cluster ids of restores into these directories that were interrupted while they put their files in place: none of them has served anything yet. */
export async function interruptedIn(dataDirs: readonly string[]): Promise<string[]> {
  return (await unfinishedIn(dataDirs)).filter((each) => !isReleased(each)).map(({ journal }) => journal.result.plan.clusterId);
}

/** A revision, a data directory, the `member` in it, or a database or snapshot file, as --evidence names it. */
export async function givenEvidence(text: string, options: CallOptions): Promise<GatheredEvidence> {
  if (/^\d+$/.test(text)) return { ...NO_EVIDENCE, found: [given("--evidence", BigInt(text), null)] };
  try {
    const stats = await stat(text);
    return stats.isFile()
      ? { ...NO_EVIDENCE, found: [given(text, peekSnapshotFile(text).revision, stats.mtime.toISOString())] }
      : await givenDirectory(text, options);
  } catch (error) {
    if (!(error instanceof EtcdsafeError || (error instanceof Error && "syscall" in error)) || options.signal.aborted) throw error;
    return { ...NO_EVIDENCE, warnings: [`--evidence ${text} cannot be read (${error.message}): the revisions that it shows are not counted.`] };
  }
}

async function givenDirectory(path: string, options: CallOptions): Promise<GatheredEvidence> {
  const names = await readdir(path);
  const evidence = names.some((name) => MEMBER.test(name))
    ? await membersEvidence(path, undefined, "given", options)
    : await oneMember({ memberDir: path, walDirs: [join(path, "wal")] }, "given", options);
  if (evidence.found.length > 0 || evidence.warnings.length > 0) return evidence;
  return { ...NO_EVIDENCE, warnings: [`--evidence ${path}: there is no member in it, neither a database nor a log; it shows nothing.`] };
}

async function membersEvidence(dataDir: string, walDir: string | undefined, kind: "data-directory" | "given", options: CallOptions): Promise<GatheredEvidence> {
  // What an interrupted restore has put in place has served nothing.
  const { namesIn, whereIs } = asIfUndone(await unfinishedIn([dataDir]));
  let names: readonly string[];
  try {
    names = await namesIn(dataDir);
  } catch (error) {
    if (error instanceof EtcdsafeError) return NO_EVIDENCE; // Who writes it says what is wrong.
    return { ...NO_EVIDENCE, warnings: [`${dataDir} cannot be looked into (${(error as Error).message}): the revisions that it shows are not counted.`] };
  }
  const members = names.filter((name) => MEMBER.test(name)).sort();
  return joinEvidence(
    await Promise.all(
      members.map(async (name) => {
        const memberDir = whereIs(join(dataDir, name));
        const ownWal = walDir === undefined ? [] : [await walDirOf(name, walDir, { namesIn, whereIs })];
        return oneMember({ memberDir, walDirs: [...ownWal, join(memberDir, "wal")] }, kind, options);
      }),
    ),
  );
}

/** A journal that cannot be relied on, the restore itself refuses. */
function unfinishedIn(dataDirs: readonly string[]): Promise<Unfinished[]> {
  return findUnfinished(dataDirs).catch(() => []);
}

/**
 * A log in a directory of its own is kept inside of that, under the name of the same restore. That of the member itself is where its last segment is: an
 * interrupted restore moves them one by one.
 */
async function walDirOf(member: string, walDir: string, { namesIn, whereIs }: ReturnType<typeof asIfUndone>): Promise<string> {
  if (member !== "member") return join(walDir, member.replace("member.", ""));
  const names = await namesIn(walDir).catch(() => []); // Who reads it says what is wrong.
  const last = names.findLast((name) => parseWalSegmentName(name) !== undefined);
  return last === undefined ? walDir : dirname(whereIs(join(walDir, last)));
}

async function oneMember(places: MemberPlaces, kind: "data-directory" | "given", options: CallOptions): Promise<GatheredEvidence> {
  const files = await runInWorker<MemberPlaces, MemberFiles>(new URL("./member-revision-worker", import.meta.url), places, options);
  return memberEvidence(places.memberDir, files, kind);
}

function given(where: string, revision: bigint, at: string | null): Evidence {
  return { kind: "given", where, revision: revision.toString(), isUpperBound: false, at };
}
