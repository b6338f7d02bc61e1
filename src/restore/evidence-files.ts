// Evidence from files on this host: the data directories that are replaced, what earlier restores have kept of them, and what --evidence names.
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { runInWorker } from "../bytes/worker.ts";
import { EtcdsafeError } from "../errors.ts";
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import type { CallOptions } from "../runtime.ts";
import { type Evidence, type GatheredEvidence, joinEvidence, NO_EVIDENCE } from "./evidence.ts";
import { isOfCluster, logEvidence } from "./log-evidence.ts";
import { type MemberFiles, memberEvidence } from "./member-revision.ts";
import type { MemberPlaces } from "./member-revision-worker.ts";
import { isReleased, type Unfinished } from "./settlement.ts";
import type { LogPosition } from "./source.ts";
import { asIfUndone, findUnfinished } from "./unfinished.ts";

/** The member that is there, and those that restores have put aside. Nothing where there is no such directory. */
const MEMBER = /^member(\.before-restore-.+)?$/;
/** Where a restore puts the log of a `--wal-dir` aside, inside of that. */
const KEPT_LOG = /^before-restore-.+$/;

/** A directory that a restore is to write, as it is before. */
export async function dataDirectoryEvidence(dataDir: string, walDir: string | undefined, options: CallOptions): Promise<GatheredEvidence> {
  const { members, warnings } = await membersIn(dataDir, walDir, options);
  return joinEvidence([{ ...NO_EVIDENCE, warnings }, ...members.map(({ memberDir, files }) => memberEvidence(memberDir, files, "data-directory"))]);
}

/** The cluster ids of restores into these directories that were interrupted while they put their files in place: none of them has served anything yet. */
export async function interruptedIn(dataDirs: readonly string[]): Promise<string[]> {
  return (await unfinishedIn(dataDirs)).filter((each) => !isReleased(each)).map(({ journal }) => journal.result.plan.clusterId);
}

/**
 * What --evidence names: each a revision, a data directory, the `member` in it, a directory of log segments (`--wal-dir`), or a database or snapshot file.
 * A log without a database goes by those of the data directories beside it, or by the source.
 */
export async function givenEvidence(texts: readonly string[], source: LogPosition | undefined, options: CallOptions): Promise<GatheredEvidence> {
  const all = await Promise.all(texts.map((text) => look(text, options)));
  const members = all.flatMap((each) => each.members);
  const logs = members.flatMap(({ files: { database, log } }) => (database === null && log !== null ? [log] : []));
  const databases = members.flatMap(({ files: { database } }) =>
    database !== null && "revision" in database ? [{ ...database, where: database.path, clusterId: null }] : [],
  );
  const withoutLog = members.filter(({ files: { database, log } }) => database !== null && "revision" in database && log === null);
  const theirs = logs.filter((log) => "metadata" in log && withoutLog.some(({ files }) => isOfCluster(log, { clusterId: null, memberIds: idsIn(files) })));
  return joinEvidence([
    ...all.map(({ evidence }) => evidence),
    ...members
      .filter(({ files: { database } }) => database !== null)
      .map(({ memberDir, files }) => memberEvidence(memberDir, files, "given", theirs.length >= withoutLog.length)),
    ...logs.map((log) => logEvidence(log, databases, source)),
  ]);
}

interface FoundMember {
  readonly memberDir: string;
  readonly files: MemberFiles;
}

/** What one --evidence names. */
interface Look {
  readonly evidence: GatheredEvidence;
  readonly members: readonly FoundMember[];
}

async function look(text: string, options: CallOptions): Promise<Look> {
  if (/^\d+$/.test(text)) return shows([given("--evidence", BigInt(text), null)]);
  try {
    const stats = await stat(text);
    if (!stats.isFile()) return await lookInto(text, options);
    // One segment is not a log: the others may hold the newer entries.
    if (parseWalSegmentName(basename(text)) !== undefined) return await lookInto(dirname(text), options);
    return shows([given(text, peekSnapshotFile(text).revision, stats.mtime.toISOString())]);
  } catch (error) {
    if (!(error instanceof EtcdsafeError || (error instanceof Error && "syscall" in error)) || options.signal.aborted) throw error;
    return shows([], [`--evidence ${text} cannot be read (${error.message}): the revisions that it shows are not counted.`]);
  }
}

function shows(found: readonly Evidence[], warnings: readonly string[] = []): Look {
  return { evidence: { ...NO_EVIDENCE, found, warnings }, members: [] };
}

async function lookInto(path: string, options: CallOptions): Promise<Look> {
  const names = await readdir(path);
  const { members, warnings } = names.some((name) => MEMBER.test(name))
    ? await membersIn(path, undefined, options)
    : { members: await memberAndKeptLogs(path, names, options), warnings: [] };
  const there = members.filter(({ files: { database, log } }) => database !== null || log !== null);
  if (there.length > 0 || warnings.length > 0) return { evidence: { ...NO_EVIDENCE, warnings }, members: there };
  return shows([], [`--evidence ${path}: there is no member in it, neither a database nor a log; it shows nothing.`]);
}

/** A member's directory, or that of its log alone, where restores have put aside the logs before it. */
async function memberAndKeptLogs(path: string, names: readonly string[], options: CallOptions): Promise<FoundMember[]> {
  const kept = names.filter((name) => KEPT_LOG.test(name)).sort();
  const places = [
    { memberDir: path, walDirs: [join(path, "wal"), path] },
    ...kept.map((name) => ({ memberDir: join(path, name), walDirs: [join(path, name)] })),
  ];
  return Promise.all(places.map((each) => oneMember(each, options)));
}

interface MembersIn {
  readonly members: readonly FoundMember[];
  readonly warnings: readonly string[];
}

async function membersIn(dataDir: string, walDir: string | undefined, options: CallOptions): Promise<MembersIn> {
  // What an interrupted restore has put in place has served nothing.
  const { namesIn, whereIs } = asIfUndone(await unfinishedIn([dataDir]));
  let names: readonly string[];
  try {
    names = await namesIn(dataDir);
  } catch (error) {
    if (error instanceof EtcdsafeError) return { members: [], warnings: [] }; // Who writes it says what is wrong.
    const warning = `${dataDir} cannot be looked into (${(error as Error).message}): the revisions that it shows are not counted.`;
    return { members: [], warnings: [warning] };
  }
  const members = await Promise.all(
    names
      .filter((name) => MEMBER.test(name))
      .sort()
      .map(async (name) => {
        const memberDir = whereIs(join(dataDir, name));
        const ownWal = walDir === undefined ? [] : [await walDirOf(name, walDir, { namesIn, whereIs })];
        return oneMember({ memberDir, walDirs: [...ownWal, join(memberDir, "wal")] }, options);
      }),
  );
  return { members, warnings: [] };
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

async function oneMember(places: MemberPlaces, options: CallOptions): Promise<FoundMember> {
  const files = await runInWorker<MemberPlaces, MemberFiles>(new URL("./member-revision-worker", import.meta.url), places, options);
  return { memberDir: places.memberDir, files };
}

function idsIn({ database }: MemberFiles): readonly string[] {
  return database !== null && "memberIds" in database ? database.memberIds : [];
}

function given(where: string, revision: bigint, at: string | null): Evidence {
  return { kind: "given", where, revision: revision.toString(), isUpperBound: false, at };
}
