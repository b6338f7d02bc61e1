// A member that was killed: what it acknowledged last is in its log alone, and a restore of its database must not lose that without a word.
import { cp, open, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { recordContent } from "../../src/etcd-files/wal/content.ts";
import { fileSegments } from "../../src/etcd-files/wal/directory.ts";
import { readWal, type WalRecord } from "../../src/etcd-files/wal/read.ts";
import { dataDirectoryEvidence } from "../../src/restore/evidence-files.ts";
import { findWalBeside } from "../../src/restore/find-wal.ts";
import { runCli } from "../support/cli.ts";
import { runs } from "../support/counts.ts";
import { etcdutl, initialCluster, planMembers, startCluster } from "../support/etcd.ts";
import { putMany, readAll } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { MINORS_AT_HAND } from "../support/minors.ts";

const PUTS = 40;

function entryIndex(record: WalRecord): bigint | undefined {
  const content = recordContent(record);
  return content.kind === "entry" ? content.entry.index : undefined;
}

test.each([MINORS_AT_HAND[0]!, MINORS_AT_HAND.at(-1)!])(
  "etcd %s, killed before it wrote its database: a restore of that is refused until the member was started, or --ignore-wal is given",
  async (minor) => {
    // The database is written when etcd stops, and not before.
    await using cluster = await startCluster({ minor, extraArgs: ["--backend-batch-interval", "1h"] });
    const member = cluster.members[0]!;
    const database = join(member.dataDir, "member/snap/db");
    const [here, to] = [cluster.directory, join(cluster.directory, "restored")];
    const restore = (...flags: readonly string[]) => runCli(["restore", database, "--data-dir", to, "--skip-hash-check", "--copy", ...flags], { cwd: here });
    const client = await cluster.client();
    const rows = Array.from({ length: PUTS }, (_, index) => ({ key: `key-${index}`, value: "v" }));
    await putMany(client, rows);
    expectFailure("ETCD_MAY_BE_ALIVE", await restore("--ignore-wal"), { message: /snap\/db is open for writing in process \d+/, hint: /`etcdsafe save`/ });
    await member.kill();

    const inspected = JSON.parse((await runCli(["inspect", member.dataDir, "-o", "json"])).stdout);
    const unapplied = Number(inspected.dataDirectory.unappliedEntries);
    expect(unapplied).toBeGreaterThanOrEqual(PUTS);
    const ignored = await restore("--ignore-wal", "--plan", "-o", "json");
    expect(ignored.exitCode, ignored.stderr).toBe(0);
    const { walBeside: behind, warnings, loss, revision } = JSON.parse(ignored.stdout).plan;
    const missing: number = behind.missingEntries;
    expect(missing).toBeGreaterThanOrEqual(PUTS);
    expect(missing).toBeLessThanOrEqual(unapplied);
    expect(loss).toMatchObject({ newest: { where: behind.directory }, revisions: String(missing), upperBound: true });
    expect(BigInt(revision.after)).toBe(BigInt(revision.before) + BigInt(missing) + 1_000_000_000n);
    expect(warnings.join("\n")).toContain(`holds ${missing} more entries, which are lost (--ignore-wal)`);
    for (const flags of [[], ["--plan"]]) {
      expectFailure("WAL_NOT_APPLIED", await restore(...flags), {
        message: new RegExp(`but the log beside it, .*/member/wal, goes on to entry \\d+: ${missing} entries would be lost$`),
        hint: /^Where a quorum is left, start the member with its own data directory, .* a copy of that directory alone with --force-new-cluster, .*--ignore-wal/,
      });
    }

    const wal = join(member.dataDir, "member/wal");
    const copy = join(here, "cut/member");
    const cutOff = async (sizeBytes: number) => {
      await cp(join(member.dataDir, "member"), copy, { recursive: true });
      await truncate(join(copy, "wal", fileSegments(wal)[0]!.name), sizeBytes);
      return runCli(["restore", join(copy, "snap/db"), "--data-dir", to, "--skip-hash-check", "--copy", "--plan"], { cwd: here });
    };
    // The first one that the database lacks, and so the first that a restore without it would lose.
    const lost = readWal(fileSegments(wal)).find((record) => entryIndex(record) === BigInt(behind.consistentIndex) + 1n)!;
    const atRecord = await cutOff(lost.offset);
    expect([atRecord.exitCode, atRecord.stdout], atRecord.stderr).toEqual([0, expect.stringMatching(/may have been cut off while it was copied/)]);
    expectFailure("WAL_NOT_APPLIED", await cutOff(lost.endOffset - 1), {
      message: /is damaged after entry \d+ \(.*the file ends inside a record, .*cut off\): .*nobody can tell$/,
      hint: /^If it is a copy, copy it again/,
    });

    await member.start();
    expect(await readAll(client)).toHaveLength(PUTS);
    await member.stop();
    const planned = await restore("--plan", "-o", "json");
    expect(planned.exitCode, planned.stderr).toBe(0);
    const { walBeside, source } = JSON.parse(planned.stdout).plan;
    expect(walBeside.missingEntries).toBe(0);
    expect(Number(source.revision)).toBe(PUTS + 1);

    const { offset } = [...readWal(fileSegments(wal))].find((record) => record.offset > 600)!;
    const segment = join(wal, fileSegments(wal)[0]!.name);
    const file = await open(segment, "r+");
    await file.write(Buffer.alloc(8, 0xff), 0, 8, offset);
    await file.close();
    expectFailure("WAL_NOT_APPLIED", await restore(), { message: /is damaged after entry \d \(it ends before entry .*nobody can tell$/, hint: /--ignore-wal/ });
    await writeFile(segment, "");
    expectFailure("WAL_NOT_APPLIED", await restore(), { message: /holds no record\): .*nobody can tell$/, hint: /--ignore-wal/ });
    expect((await restore("--ignore-wal")).exitCode).toBe(0);
  },
);

test("logs of real members that are whole are never taken for damaged: of restored ones before and after their first start, and of one that was sent the whole database", async () => {
  await using cluster = await startCluster({ size: 3, extraArgs: ["--snapshot-count", "20"], electionTimeoutMs: 1000 });
  const whole = async (dataDir: string, what: string) => {
    const wal = await findWalBeside(join(dataDir, "member/snap/db"), { signal: new AbortController().signal });
    expect(wal, what).toMatchObject({ damage: null });
    expect((await dataDirectoryEvidence(dataDir, undefined, { signal: new AbortController().signal })).warnings, what).toEqual([]);
    return wal!;
  };
  const leader = await cluster.leader();
  const away = cluster.members.find((member) => member !== leader)!;
  await away.kill();
  await whole(away.dataDir, "killed");
  const rows = Array.from({ length: 6000 }, (_, index) => ({ key: `key-${index}`, value: "v" }));
  await putMany(await cluster.client(cluster.members.filter((member) => member !== away)), rows);
  await away.start();
  await away.kill();
  const received = await readFile(join(cluster.directory, `${away.name}.log`), "utf8");
  expect(received).toMatch(/received and saved database snapshot/);
  await whole(away.dataDir, "that received the database");
  await cluster.etcdctl(["snapshot", "save", join(cluster.directory, "s.db")], [leader]);
  for (const by of ["etcdutl", "etcdsafe"]) {
    const planned = await planMembers(1, join(cluster.directory, by));
    const { name, peerUrl, dataDir } = planned[0]!;
    const flags = ["--name", name, "--initial-cluster", initialCluster(planned), "--initial-cluster-token", "t", "--initial-advertise-peer-urls", peerUrl];
    if (by === "etcdutl") await etcdutl("3.7", ["snapshot", "restore", join(cluster.directory, "s.db"), ...flags, "--data-dir", dataDir]);
    else expect((await runCli(["restore", join(cluster.directory, "s.db"), ...flags, "--data-dir", dataDir, "--copy"])).exitCode).toBe(0);
    expect(await whole(dataDir, `restored by ${by}`)).toMatchObject({ consistentIndex: "1", lastIndex: "1" });
    await using again = await startCluster({ members: planned, directory: join(cluster.directory, `${by}-run`), token: "t", initialClusterState: "existing" });
    await again.members[0]!.kill();
    await whole(dataDir, `restored by ${by}, and started`);
  }
});

test.each(["3.5", "3.7"] as const)(
  "etcd %s leaves nothing behind its log's end, however often it is killed while it writes, and after it repaired it: what lies there is damage",
  async (minor) => {
    await using cluster = await startCluster({ minor });
    const member = cluster.members[0]!;
    const [database, wal] = [join(member.dataDir, "member/snap/db"), join(member.dataDir, "member/wal")];
    const signal = new AbortController().signal;
    const found = async () => (await findWalBeside(database, { signal }))!;
    const damage = async () => (await found()).damage;
    const warnings = async () => (await dataDirectoryEvidence(member.dataDir, undefined, { signal })).warnings.join("\n");
    // A client that has seen the member killed waits before it tries again.
    const write = async (count: number, sizeBytes: number) =>
      putMany(
        await cluster.client(),
        Array.from({ length: count }, (_, at) => ({ key: `k${at}`, value: "v".repeat(sizeBytes) })),
      );
    const segment = () => join(wal, fileSegments(wal).at(-1)!.name);
    const end = () => [...readWal(fileSegments(wal).slice(-1))].at(-1)!;
    const overwrite = async (offset: number, bytes: Uint8Array) => {
      await using file = await open(segment(), "r+");
      await file.write(bytes, 0, bytes.length, offset);
    };
    for (let round = 0; round < runs(4, 12); round += 1) {
      // From then on it is a second segment.
      if (round === 3) await write(66, 1_000_000);
      const writing = write(1000, round % 3 === 2 ? 200_000 : 10 * 7 ** (round % 3)).catch(() => {});
      await delay(50 + 37 * round);
      await member.kill();
      await writing;
      expect([await damage(), await warnings()], `killed ${round}`).toEqual([null, ""]);
      expect([(await found()).endsWithoutRoom, fileSegments(wal).at(-1)!.sizeBytes], `killed ${round}`).toEqual([false, 64_000_000]);
      await member.start();
    }
    expect(fileSegments(wal).length).toBeGreaterThan(1);
    await member.stop();
    expect([await damage(), (await found()).endsWithoutRoom, fileSegments(wal).at(-1)!.sizeBytes], "stopped").toEqual([null, false, 64_000_000]);
    await member.start();

    await write(20, 3000);
    await member.kill();
    const torn = end();
    await overwrite(torn.endOffset, Buffer.concat([Buffer.from([0xb8, 0x0b, 0, 0, 0, 0, 0, 0]), Buffer.alloc(3000), Buffer.alloc(2000, 1)]));
    expect(await damage()).toMatch(/\.wal: data follows the end of its records, at byte \d+$/);
    await overwrite(torn.endOffset + 3008, Buffer.alloc(2000));
    expect([await damage(), await warnings()], "torn").toEqual([null, ""]);
    await member.start();
    await member.kill();
    expect([await damage(), await warnings()], "torn, and repaired").toEqual([null, ""]);
    expect((await found()).endsWithoutRoom).toBe(true);
    expect(await readdir(wal)).toContainEqual(expect.stringMatching(/\.wal\.broken$/));
    expect(fileSegments(wal).at(-1)!.sizeBytes).toBeLessThan(64_000_000);

    await overwrite(end().endOffset + 512, Buffer.alloc(4096, 1));
    expect(await damage()).toMatch(/\.wal: data follows the end of its records, at byte \d+$/);
    expect(await warnings()).toMatch(/is damaged \(data follows the end of its records/);
    expectFailure("WAL_NOT_APPLIED", await runCli(["restore", database, "--data-dir", join(cluster.directory, "r"), "--skip-hash-check"]), {
      message: /is damaged after entry \d+ \(.*data follows the end of its records, at byte \d+\): how much of it would be lost nobody can tell$/,
      hint: /--ignore-wal/,
    });
    await member.start();
    await member.kill();
    expect([await damage(), await warnings()], "zeroed by etcd").toEqual([null, ""]);
  },
);
