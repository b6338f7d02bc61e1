// A save to a plain snapshot file or to standard output, as etcdctl writes it and etcdutl takes it.
import { open, readlink, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { allOrNothing } from "../bytes/all-or-nothing.ts";
import { syncDirectory } from "../bytes/files.ts";
import { partPath } from "../bytes/part-path.ts";
import { openNamedSpool, type Spool } from "../bytes/spool.ts";
import { TrailingHash } from "../bytes/trailing-hash.ts";
import { openSnapshot } from "../cluster/snapshot-stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { ObservedCluster } from "../repository/cluster-file.ts";
import type { Runtime } from "../runtime.ts";
import { kubernetesWarnings } from "./kubernetes.ts";
import { checkReceived, checkSpoolHash, type Way } from "./receive.ts";
import type { Saved, SaveTarget } from "./save-target.ts";
import { stateOf } from "./state.ts";
import { check, receive, revisionBefore, type TakeOptions } from "./take.ts";

/** Takes the bytes of one batch; resolves when there is room for more. */
export type WriteOut = (chunks: readonly Uint8Array[]) => Promise<void>;

/** Suspect snapshots of one file that are kept: more than a cluster has members, and few enough that a save every night does not fill the disk. */
const SUSPECTS_MAX = 10;
const FILE_MODE = 0o600;

/**
 * Writes `path` through `path.<random>.part`, which is the spool as well. A file that is there is replaced at the very end, as etcdctl does; but a snapshot
 * that other members contradict goes to `path.suspect`, or to `path.suspect-2` and so on, and takes the place of nothing.
 */
export function fileTarget(path: string, runtime: Pick<Runtime, "randomBytes">): SaveTarget {
  const full = resolve(path);
  const part = partPath(full, runtime);
  return {
    ...NOTHING_STORED,
    prepare: async () => {
      const found = await stat(full).catch(() => undefined);
      if (found?.isFile()) return;
      if (found === undefined) return requireRoomFor(path);
      if (found.isDirectory()) throw new EtcdsafeError("FILE_FAILED", `${path} is a directory`, { hint: "Name the file to write." });
      const hint = "Name a file; `--output -` writes to standard output, which may be a pipe.";
      throw new EtcdsafeError("FILE_FAILED", `${path} is no regular file, and would be replaced by one`, { hint });
    },
    openSpool: (expectedSizeBytes) => openNamedSpool(part, expectedSizeBytes),
    store: (_observed, spool, take) => inPlace(take, () => receiveAndCheck(spool, take)),
    passOn: (_observed, take) =>
      inPlace(take, async () => {
        await using spool = await openNamedSpool(part, take.serving.dbSizeBytes);
        const saved = await forward(take, (chunks) => spool.append(chunks), {});
        await spool.flush();
        return saved;
      }),
  };

  /** Gives the finished file its name, or removes the unfinished one. */
  async function inPlace(take: TakeOptions, work: () => Promise<Saved>): Promise<Saved> {
    try {
      const saved = await work();
      // What others contradict does not take the place of a file that may be good.
      const file = saved.state === "suspect" ? await newSuspectFile(path) : path;
      if (file === undefined) {
        const message = `the suspect snapshot of ${take.serving.endpoint} is not kept: ${SUSPECTS_MAX} of them, ${suspectName(path, 1)} to ${suspectName(path, SUSPECTS_MAX)}, are there already; look into those, and remove them`;
        take.runtime.log({ level: "warn", message });
        await rm(part);
        return saved;
      }
      await rename(part, resolve(file));
      await syncDirectory(dirname(full));
      return { ...saved, file };
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }
}

/** Throws FILE_FAILED where nothing is at `path` because what is to hold it is missing: a directory, or what a link leads to, such as a mount. */
async function requireRoomFor(path: string): Promise<void> {
  const target = await readlink(path).catch(() => undefined);
  if (target !== undefined)
    throw new EtcdsafeError("FILE_FAILED", `${path} is a symbolic link to ${target}, where nothing is, and would be replaced by a file`, {
      hint: "Name the file itself, or look whether what holds it is mounted.",
    });
  const directory = dirname(path);
  const found = await stat(directory).catch((error: NodeJS.ErrnoException) => error);
  if (!(found instanceof Error) && found.isDirectory()) return;
  if (found instanceof Error && found.code !== "ENOENT" && found.code !== "ENOTDIR") throw found;
  const isMissing = found instanceof Error && found.code === "ENOENT";
  throw new EtcdsafeError("FILE_FAILED", `${path} cannot be written: ${isMissing ? `there is no directory ${directory}` : `${directory} is no directory`}`, {
    hint: isMissing ? `Create it (\`mkdir -p ${directory}\`), or name a file in a directory that exists.` : "Name a file in a directory that exists.",
  });
}

/** Creates the first suspect file that is not there yet, empty, so that nobody else takes its name; undefined where all are there. */
async function newSuspectFile(path: string): Promise<string | undefined> {
  for (let number = 1; number <= SUSPECTS_MAX; number++) {
    const name = suspectName(path, number);
    const file = await open(name, "wx", FILE_MODE).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (file === undefined) continue;
    await file.close();
    return name;
  }
  return undefined;
}

function suspectName(path: string, number: number): string {
  return `${path}.suspect${number === 1 ? "" : `-${number}`}`;
}

/** Passes the stream on as it comes: who reads standard output sees it before it can be checked, and takes it as good only if the exit code is 0. */
export function streamTarget(write: WriteOut): SaveTarget {
  const pass = (_observed: ObservedCluster, take: TakeOptions) => forward(take, write, { passedOn: true });
  return { ...NOTHING_STORED, prepare: async () => undefined, store: (observed, _spool, take) => pass(observed, take), passOn: pass };
}

const NOTHING_STORED = { comparedAlready: async () => undefined, failed: async () => undefined };

async function receiveAndCheck(spool: Spool, take: TakeOptions): Promise<Saved> {
  const snapshot = await receive(spool, take);
  const [dataSha256, { facts, comparison, warnings }] = await allOrNothing(checkSpoolHash(spool, snapshot.rawSizeBytes, take), check(snapshot, take));
  return {
    manifest: null,
    file: null,
    ...stateOf(comparison),
    members: comparison.record.members,
    revision: facts.revision.toString(),
    rawSizeBytes: snapshot.rawSizeBytes,
    databaseSha256: dataSha256,
    warnings: [...warnings, ...kubernetesWarnings(facts.kubernetes, undefined)],
  };
}

async function forward(take: TakeOptions, write: WriteOut, way: Way): Promise<Saved> {
  take.onPhase("connect");
  await revisionBefore(take);
  await using stream = await openSnapshot(take.clients.at(take.serving.endpoint), take);
  take.onPhase("stream");
  const hash = new TrailingHash();
  const totalBytes = stream.totalSizeBytes;
  let doneBytes = 0;
  take.runtime.progress({ step: "stream", doneBytes, totalBytes });
  for await (const batch of stream) {
    const written = write(batch);
    for (const chunk of batch) {
      hash.update(chunk);
      doneBytes += chunk.length;
    }
    await written;
    take.runtime.progress({ step: "stream", doneBytes, totalBytes });
  }
  take.runtime.progress({ step: "stream", doneBytes, totalBytes, done: true });
  const { rawSizeBytes, dataSha256 } = checkReceived(hash.finish(), way);
  const stateWhy = "passed on without a local copy, so its structure was not checked";
  return { manifest: null, file: null, state: "partial", stateWhy, members: [], revision: null, rawSizeBytes, databaseSha256: dataSha256, warnings: [] };
}
