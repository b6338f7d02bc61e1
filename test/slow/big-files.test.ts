// Files far larger than the memory allowed: every process is killed as soon as more than 200 MB of it are resident, by the kernel's own
// high-water mark (test/support/process-usage.ts). What must be found in them is worked out while they are written.
import { mkdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { etcdutl } from "../support/etcd.ts";
import { buildCli, type Command } from "../support/measured-cli.ts";
import { measureProcess } from "../support/process-usage.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { type BigKeyspace, type WrittenKeyspace, writeBigSnapshot } from "./big-keyspace.ts";

const RSS_LIMIT_BYTES = 200 * 1000 ** 2;
const LIMIT_MS = 1_800_000;

const FILES: readonly { readonly name: string; readonly keyspace: BigKeyspace; readonly sizeBytesMin: number }[] = [
  {
    name: "8 GB, 20 million keys, never compacted",
    keyspace: { keys: 20_000_000, valueSizeBytes: 300, changedKeys: 0, compacted: false },
    sizeBytesMin: 8 * 1000 ** 3,
  },
  {
    name: "6 million keys compacted, 5 million of them changed since",
    keyspace: { keys: 6_000_000, valueSizeBytes: 100, changedKeys: 5_000_000, compacted: true },
    sizeBytesMin: 2 * 1000 ** 3,
  },
];

for (const { name, keyspace, sizeBytesMin } of FILES) {
  describe(name, () => bigFile(keyspace, sizeBytesMin));

  test(`${name}: what is expected of it is what etcdutl says of a small one`, async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "snapshot.db");
    const small = { ...keyspace, keys: keyspace.keys / 1000, changedKeys: keyspace.changedKeys / 1000 };
    const { revision, liveKeys, compactRevision, hash } = writeBigSnapshot(path, small);
    expect(JSON.parse(await etcdutl("3.7", ["snapshot", "status", path, "-w", "json"]))).toMatchObject({ revision, totalKey: liveKeys });
    // It opens the file for writing, so it comes last.
    expect(JSON.parse(await etcdutl("3.7", ["hashkv", path, "-w", "json"]))).toEqual({ hash, hashRevision: revision, compactRevision });
  });
}

function bigFile(keyspace: BigKeyspace, sizeBytesMin: number): void {
  let directory: TemporaryDirectory;
  let etcdsafe: (...args: readonly string[]) => Command;
  let path: string;
  let written: WrittenKeyspace;

  beforeAll(async () => {
    directory = await temporaryDirectory("big");
    // The file, and a restored member.
    await demandSpace(directory.path, 3 * sizeBytesMin);
    const build = join(directory.path, "package");
    await mkdir(build);
    etcdsafe = await buildCli(build);
    path = join(directory.path, "snapshot.db");
    written = writeBigSnapshot(path, keyspace);
  });
  afterAll(() => directory.remove());

  test("the file is as large as it is meant to be", () => {
    expect(written.sizeBytes).toBeGreaterThan(sizeBytesMin);
  });

  test("verify: finds all of it good, and its HashKV, within 200 MB", async () => {
    const { verified } = await withinLimit("verify", etcdsafe("verify", path, "--format", "json"));
    expect(verified).toMatchObject([{ outcome: "passed", level: "structure", readSizeBytes: written.sizeBytes, hashKv: hashKv(written), findings: [] }]);
  });

  test("restore: writes a member that answers the same HashKV, within 200 MB", async () => {
    const data = join(directory.path, "data");
    try {
      const restored = await withinLimit("restore", etcdsafe("restore", path, "--data-dir", data, "--bump-revision", "none", "--format", "json"));
      expect(restored).toMatchObject({ hashKv: hashKv(written) });
    } finally {
      await rm(data, { recursive: true, force: true });
    }
  });

  test("inspect: tells what it is, within 200 MB", async () => {
    const { snapshot } = await withinLimit("inspect", etcdsafe("inspect", path, "--format", "json"));
    expect(snapshot).toMatchObject({ hash: "matches", keys: written.liveKeys, hashKv: hashKv(written), findings: [] });
  });
}

function hashKv({ revision, compactRevision, hash }: WrittenKeyspace): object {
  return { revision: String(revision), compactRevision: String(compactRevision), hash };
}

/** The JSON document of a command that succeeded. */
async function withinLimit(name: string, { file, args, env }: Command): Promise<Record<string, unknown>> {
  const usage = await measureProcess(file, args, { env, rssLimitBytes: RSS_LIMIT_BYTES, limitMs: LIMIT_MS });
  console.log(
    `${name}: ${(usage.wallMs / 1000).toFixed(1)} s, ${(usage.cpuMs / 1000).toFixed(1)} s of CPU, ${(usage.maxRssBytes / 1000 ** 2).toFixed(0)} MB at most`,
  );
  expect(usage.exitCode, usage.stderr).toBe(0);
  return JSON.parse(usage.stdout);
}

async function demandSpace(path: string, sizeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  if (bavail * bsize < sizeBytes) throw new Error(`${path} has ${bavail * bsize} bytes free, and this needs ${sizeBytes}; set TMPDIR to a larger file system`);
}
