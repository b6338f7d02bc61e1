// What a member answers for the revision of its last compaction, beside what files give that were saved before and after it (etcd-formats §5.1,
// "cached-hash trap"): the answer may be one that no file of now can give, and must not be taken for other data then.
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Revision } from "../../../src/bytes/u64.ts";
import { hashKv } from "../../../src/cluster/hashkv.ts";
import { checkSnapshotFile } from "../../../src/etcd-files/check/check-file.ts";
import type { HashKvResult } from "../../../src/etcd-files/mvcc/hash-kv.ts";
import { startCluster } from "../../support/etcd.ts";
import { currentRevision, deleteMany, putMany } from "../../support/etcd-data.ts";
import { MINORS_AT_HAND } from "../../support/minors.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";
import { clientOf, soon } from "./members.ts";

let directory: TemporaryDirectory;

beforeAll(async () => {
  directory = await temporaryDirectory("compaction-hashes");
});
afterAll(() => directory?.remove());

test.each(["3.5", "3.6", "3.7"] as const)(
  "etcd %s: the hash for the revision of a compaction is that of the file before it, until a restart",
  async (minor) => {
    await using cluster = await startCluster({ minor });
    const [member] = cluster.members;
    const client = await cluster.client();
    let lastCompaction = -1n;
    for (const round of [1, 2]) {
      // Keys of before and of now, overwritten and not, and tombstones, one of them at the very revision of the compaction.
      await putMany(
        client,
        ["stays", "goes", `of-${round}`, `gone-${round}`].map((key) => ({ key, value: `in round ${round}` })),
      );
      await putMany(client, [{ key: "stays", value: "anew" }]);
      await deleteMany(client, ["goes", `gone-${round}`]);
      const revision = (await currentRevision(client)) as Revision;
      const saved = async (name: string, compactRevision: bigint): Promise<HashKvResult | undefined> => {
        const path = join(directory.path, `${minor}-${round}-${name}.db`);
        await cluster.etcdctl(["snapshot", "save", path]);
        return (await checkSnapshotFile(path, { ...soon(), hashes: [{ revision, compactRevision }] })).report.facts?.hashes[0];
      };
      const answer = async () => {
        await using asked = clientOf(member);
        return await hashKv(asked, revision, soon());
      };
      const before = await saved("before", lastCompaction);
      await cluster.etcdctl(["compact", String(revision), "--physical"]);
      expect(before).toHaveProperty("hash");
      expect(await answer()).toMatchObject({ hash: (before as { hash: number }).hash, compactRevision: lastCompaction });
      expect(await saved("after", lastCompaction)).toEqual({
        revision,
        compactRevision: lastCompaction,
        notComparable: expect.stringContaining("is compacted at"),
      });
      await member!.stop();
      await member!.start();
      const after = await saved("restarted", revision);
      expect(after).toHaveProperty("hash");
      expect(after).not.toMatchObject({ hash: (before as { hash: number }).hash });
      expect(await answer()).toMatchObject({ hash: (after as { hash: number }).hash, compactRevision: revision });
      lastCompaction = revision;
    }
  },
);

// 3.4 removes every row then; later minors keep a tombstone at the very revision.
test.each(MINORS_AT_HAND)("etcd %s: a file is at its member's revision also when a compaction at that revision has left no live key", async (minor) => {
  await using cluster = await startCluster({ minor });
  const client = await cluster.client();
  await putMany(client, [{ key: "gone", value: "v" }]);
  await deleteMany(client, ["gone"]);
  await cluster.etcdctl(["compact", "3", "--physical"]);
  const path = join(directory.path, `${minor}-emptied.db`);
  await cluster.etcdctl(["snapshot", "save", path]);
  const { facts } = (await checkSnapshotFile(path, soon())).report;
  expect(facts).toMatchObject({ revision: await currentRevision(client), compactRevision: 3n, keys: 0 });
});
