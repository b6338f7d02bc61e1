// Revisions never go back: a cluster is restored, written to, and restored again from an older backup, and clients that saw what is gone are told so.
import { join } from "node:path";
import { expect, test } from "vitest";
import { ETCD_MINORS } from "../../scripts/provision.ts";
import { type EtcdCluster, etcdutl, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision, putMany } from "../support/etcd-data.ts";
import { MINORS_AT_HAND } from "../support/minors.ts";
import { expectExit } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Nothing but a snapshot brings what was written from the log into the database. */
const LATE_COMMITS = ["--backend-batch-interval", "1h", "--backend-batch-limit", "1000000"];

test.each(MINORS_AT_HAND)(
  "etcd %s, restored twice from its oldest backup: each time beyond all that was ever served, and a watch from before is told that it is compacted",
  async (minor) => {
    await using directory = await temporaryDirectory("revisions");
    const repository = join(directory.path, "repository");
    let served: bigint;
    let oldest: { readonly id: string };
    let lost: string;
    {
      await using original = await startCluster({ minor, extraArgs: LATE_COMMITS, directory: join(directory.path, "original") });
      await write(original, 20);
      oldest = await saved(original, repository);
      await write(original, 300);
      served = await currentRevision(await original.client());
      const [member] = original.members;
      await member!.kill();
      lost = member!.dataDir;
    }
    const plan = await planOf([oldest.id, "--repository", repository, "--data-dir", lost]);
    expect(BigInt(plan.revision.before)).toBeLessThan(served);
    const [database, log] = plan.revision.evidence.filter(({ kind }) => kind === "data-directory");
    expect(database).toMatchObject({ where: join(lost, "member/snap/db"), isUpperBound: false });
    expect(log).toMatchObject({ where: join(lost, "member/wal"), isUpperBound: true });
    // It is the log that knows.
    expect(BigInt(database!.revision)).toBeLessThan(served);
    expect(BigInt(log!.revision)).toBeGreaterThanOrEqual(served);
    expect(BigInt(log!.revision)).toBeLessThan(served + 100n);
    expect(plan.loss).toMatchObject({ newest: log, revisions: String(BigInt(log!.revision) - BigInt(plan.revision.before)), upperBound: true });
    expect(plan.loss.secondsBetween).toBeGreaterThanOrEqual(0);

    for (const [round, evidence] of [["--evidence", lost], []].entries()) {
      const members = await planMembers(1, join(directory.path, `restored-${round}`));
      const [{ name, peerUrl, dataDir }] = members as [(typeof members)[number]];
      const where = ["--name", name, "--initial-cluster", `${name}=${peerUrl}`, "--initial-advertise-peer-urls", peerUrl, "--data-dir", dataDir];
      const { revision } = JSON.parse(
        (await expectExit(0, ["restore", oldest.id, "--repository", repository, ...where, ...evidence, "-o", "json"])).stdout,
      ).plan;
      expect(BigInt(revision.after)).toBeGreaterThan(served);
      await using restored = await startCluster({ minor, members, directory: join(directory.path, `restored-${round}`), initialClusterState: "existing" });
      expect(await currentRevision(await restored.client())).toBe(BigInt(revision.after));
      expect(await watched(restored, served)).toMatch(/required revision has been compacted/);
      expect(await watched(restored, served + 1n)).toMatch(/required revision has been compacted/);
      await write(restored, 50);
      served = await currentRevision(await restored.client());
    }
  },
);

test("--bump-revision none and a small amount: the plan says that revisions go back, how far the cluster was, and which clients break", async () => {
  await using directory = await temporaryDirectory("revisions");
  const file = join(directory.path, "etcd.db");
  {
    await using original = await startCluster();
    await write(original, 5);
    await expectExit(0, ["save", "--endpoints", original.endpoints.join(","), "--output", file]);
  }
  const warned = async (bump: string) => (await planOf([file, "--evidence", "4711", "--bump-revision", bump])).warnings.join("\n");
  expect(await warned("none")).toMatch(/^The revision goes back: the cluster has served 4711 \(--evidence\), and will start at 6\. .*API servers/);
  expect(await warned("100")).toMatch(/^--bump-revision 100 IS TOO LITTLE: it ends at 106, but the cluster has served 4711/);
  expect(await warned("5000")).toBe("");
  const { revision, loss } = await planOf([file, "--evidence", "4711"]);
  expect(revision).toMatchObject({ before: "6", after: "1000004711", bump: "auto", markCompacted: true });
  expect(loss).toEqual({ newest: expect.objectContaining({ kind: "given", revision: "4711" }), revisions: "4705", secondsBetween: null, upperBound: false });
});

test.each(ETCD_MINORS)(
  "etcd %s, a plain snapshot with its revision moved ahead: restored by etcdutl, it answers the HashKV that was printed",
  async (minor) => {
    await using directory = await temporaryDirectory("revisions");
    const [file, moved] = [join(directory.path, "etcd.db"), join(directory.path, "moved.db")];
    {
      await using original = await startCluster({ minor });
      await write(original, 30);
      await original.etcdctl(["compact", "12"]);
      await expectExit(0, ["save", "--endpoints", original.endpoints.join(","), "--output", file]);
    }
    const { stdout } = await expectExit(0, ["restore", file, "--to-snapshot", moved, "--evidence", "4711"]);
    expect(stdout).toMatch(/^revision +1000004711$/m);
    const [, hash, revision] = /^HashKV +(\d+) at revision (\d+):/m.exec(stdout)!;
    const members = await planMembers(1, join(directory.path, "restored"));
    const [{ name, peerUrl, dataDir }] = members as [(typeof members)[number]];
    const where = ["--name", name, "--initial-cluster", `${name}=${peerUrl}`, "--initial-advertise-peer-urls", peerUrl, "--data-dir", dataDir];
    await etcdutl(minor, ["snapshot", "restore", moved, ...where]);
    await using restored = await startCluster({ minor, members, directory: join(directory.path, "restored"), initialClusterState: "existing" });
    expect(await restored.hashKv(Number(revision))).toMatchObject([{ hash: Number(hash), compactRevision: Number(revision) }]);
    expect(await watched(restored, 4711n)).toMatch(/required revision has been compacted/);
  },
);

interface PlanFacts {
  readonly revision: { readonly before: string; readonly evidence: readonly { readonly kind: string; readonly where: string; readonly revision: string }[] };
  readonly loss: { readonly secondsBetween: number };
  readonly warnings: readonly string[];
}

async function planOf(args: readonly string[]): Promise<PlanFacts> {
  return JSON.parse((await expectExit(0, ["restore", ...args, "--plan", "-o", "json"])).stdout).plan;
}

async function saved(cluster: EtcdCluster, repository: string): Promise<{ readonly id: string }> {
  return JSON.parse((await expectExit(0, ["save", "--endpoints", cluster.endpoints.join(","), "--repository", repository, "-o", "json"])).stdout).manifest;
}

async function write(cluster: EtcdCluster, times: number): Promise<void> {
  const rows = Array.from({ length: times }, (_, index) => ({ key: `key-${index % 7}`, value: String(index) }));
  await putMany(await cluster.client(), rows);
}

/** What a client hears that goes on watching from a revision. */
async function watched(cluster: EtcdCluster, revision: bigint): Promise<string> {
  return cluster.etcdctl(["watch", "--prefix", "key-", "--rev", String(revision)]).then(String, (error: Error) => error.message);
}
