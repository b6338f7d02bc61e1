import { execFileSync } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { runInWorker, type WorkerContext } from "../../src/bytes/worker.ts";
import { type RaftFilesInput, type RaftFilesOutput, run } from "../../src/inspect/raft-files-worker.ts";
import { restoreGoldens } from "../etcd-files/restore-goldens.ts";
import { KILLED_LOG, liveSegment } from "../etcd-files/wal/live-log.ts";
import { runs, SEED } from "../support/counts.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const CONTEXT: WorkerContext = { cancelled: () => false, progress: () => {} };

test("logs and .snap files with any bytes changed, or cut anywhere, give an answer: facts, or the place of the fault", async () => {
  await using directory = await temporaryDirectory("inspect");
  const path = join(directory.path, KILLED_LOG);
  const sources = [liveSegment("killed-3.5", KILLED_LOG), ...restoreGoldens().map(({ snap }) => snap)];
  const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }));
  const property = fc.property(fc.nat(), fc.array(change, { maxLength: 4 }), fc.option(fc.nat()), (which, changes, cut) => {
    const source = sources[which % sources.length]!;
    const bytes = Uint8Array.from(cut === null ? source : source.subarray(0, cut % source.length));
    for (const [at, mask] of changes) if (bytes.length > 0) bytes[at % bytes.length]! ^= mask;
    writeFileSync(path, bytes);
    const isWal = which % sources.length === 0;
    const { wal, raftSnapshots } = run({ ...(isWal ? { wal: { path, isDirectory: false } } : {}), raftSnapshots: isWal ? [] : [path] }, CONTEXT);
    if (isWal) expect(wal?.segments).toHaveLength(1);
    else expect(raftSnapshots).toHaveLength(1);
    const unchanged = Buffer.compare(bytes, source) === 0;
    const fault = isWal ? wal?.fault : "fault" in raftSnapshots[0]! ? raftSnapshots[0].fault : undefined;
    if (unchanged) expect(fault).toBeUndefined();
    if (fault !== undefined) expect(fault.offset ?? 0).toBeLessThanOrEqual(bytes.length);
  });
  fc.assert(property, { seed: SEED, numRuns: runs(150, 10_000) });
});

test("a file that vanished is an error", async () => {
  await using directory = await temporaryDirectory("inspect");
  expect(() => run({ raftSnapshots: [join(directory.path, "absent.snap")] }, CONTEXT)).toThrow(expect.objectContaining({ code: "FILE_FAILED" }));
  expect(() => run({ wal: { path: join(directory.path, "absent"), isDirectory: true }, raftSnapshots: [] }, CONTEXT)).toThrow(
    expect.objectContaining({ code: "FILE_FAILED" }),
  );
});

test("pipes that are called like parts of a member are faults, and not waited for", async () => {
  await using directory = await temporaryDirectory("inspect");
  const pipe = join(directory.path, KILLED_LOG);
  execFileSync("mkfifo", [pipe]);
  // In a thread of its own, since whoever opens one waits, until it is opened for writing too.
  const release = setTimeout(() => closeSync(openSync(pipe, "r+")), 5_000);
  onTestFinished(() => clearTimeout(release));
  const look = (input: RaftFilesInput) =>
    runInWorker<RaftFilesInput, RaftFilesOutput>(new URL("../../src/inspect/raft-files-worker", import.meta.url), input, {
      signal: AbortSignal.timeout(20_000),
    });
  expect((await look({ raftSnapshots: [pipe] })).raftSnapshots).toEqual([{ fault: { offset: null, text: "it is no regular file" } }]);
  const message = `${pipe} is no regular file, so it is no part of a log`;
  await expect(look({ wal: { path: directory.path, isDirectory: true }, raftSnapshots: [] })).rejects.toMatchObject({ code: "FILE_FAILED", message });
});

test("a log that is given up stops at the next read", async () => {
  await using directory = await temporaryDirectory("inspect");
  const path = join(directory.path, KILLED_LOG);
  writeFileSync(path, liveSegment("killed-3.5", KILLED_LOG));
  const given = { wal: { path: directory.path, isDirectory: true }, raftSnapshots: [] };
  expect(() => run(given, { ...CONTEXT, cancelled: () => true })).toThrow(expect.objectContaining({ code: "INTERRUPTED" }));
});
