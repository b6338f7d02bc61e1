// Revisions never go back: a cluster is restored, written to, and restored again from an older backup, and clients that saw what is gone are told so.
import { join } from "node:path";
import { expect, test } from "vitest";
import { ETCD_MINORS } from "../../scripts/provision.ts";
import type { RunningCommand } from "../support/command.ts";
import { type EtcdCluster, etcdutl, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision, putMany } from "../support/etcd-data.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { MINORS_AT_HAND } from "../support/minors.ts";
import { expectExit } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Nothing but a snapshot brings what was written from the log into the database. */
const LATE_COMMITS = ["--backend-batch-interval", "1h", "--backend-batch-limit", "1000000"];

test.each(MINORS_AT_HAND)(
  "etcd %s, restored twice from its oldest backup: each time beyond all that was ever served, and a client that watched before is told that it is compacted",
  async (minor) => {
    await using directory = await temporaryDirectory("revisions");
    const repository = join(directory.path, "repository");
    const [member] = (await planMembers(1, directory.path)) as [PlannedMember];
    let served: bigint;
    let oldest: { readonly id: string };
    let watch: RunningCommand;
    {
      await using original = await startCluster({ minor, members: [member], extraArgs: LATE_COMMITS, directory: directory.path });
      await write(original, 20);
      oldest = await saved(original, repository);
      watch = await watching(original, 2n);
      await write(original, 300);
      served = await currentRevision(await original.client());
      await original.members[0]!.kill();
    }
    const plan = await planOf([oldest.id, "--repository", repository, "--data-dir", member.dataDir]);
    expect(BigInt(plan.revision.before)).toBeLessThan(served);
    const [database, log] = plan.revision.evidence.filter(({ kind }) => kind === "data-directory");
    expect(database).toMatchObject({ where: join(member.dataDir, "member/snap/db"), isUpperBound: false });
    expect(log).toMatchObject({ where: join(member.dataDir, "member/wal"), isUpperBound: true });
    // It is the log that knows.
    expect(BigInt(database!.revision)).toBeLessThan(served);
    expect(BigInt(log!.revision)).toBeGreaterThanOrEqual(served);
    expect(BigInt(log!.revision)).toBeLessThan(served + 100n);
    expect(plan.loss).toMatchObject({ newest: log, revisions: String(BigInt(log!.revision) - BigInt(plan.revision.before)), upperBound: true });
    expect(plan.loss.secondsBetween).toBeGreaterThanOrEqual(0);

    for (const [round, evidence] of [["--evidence", member.dataDir], []].entries()) {
      // At the same URLs, where its clients look for it.
      const restored = { ...member, dataDir: join(directory.path, `restored-${round}`) };
      const { revision } = await restoredAs(restored, [oldest.id, "--repository", repository, ...evidence]);
      expect(BigInt(revision.after)).toBeGreaterThan(served);
      await using cluster = await startCluster({ minor, members: [restored], directory: directory.path, initialClusterState: "existing" });
      const { stdout, stderr } = await watch.finished;
      expect(stdout + stderr).toMatch(/required revision has been compacted/);
      expect(await currentRevision(await cluster.client())).toBe(BigInt(revision.after));
      expect(await cluster.etcdctl(["watch", "key-", "--rev", String(served + 1n)]).catch(String)).toMatch(/required revision has been compacted/);
      watch = await watching(cluster, BigInt(revision.after) + 1n);
      await write(cluster, 50);
      served = await currentRevision(await cluster.client());
    }
    watch.signal("SIGKILL");
    await watch.finished;
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
    await etcdutl(minor, ["snapshot", "restore", moved, ...flagsOf(members[0]!)]);
    await using restored = await startCluster({ minor, members, directory: join(directory.path, "restored"), initialClusterState: "existing" });
    expect(await restored.hashKv(Number(revision))).toMatchObject([{ hash: Number(hash), compactRevision: Number(revision) }]);
    expect(await restored.etcdctl(["watch", "key-", "--rev", "4711"]).catch(String)).toMatch(/required revision has been compacted/);
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

/** A client that goes on from this revision, and tries again when etcd is gone for a while. */
async function watching(cluster: EtcdCluster, revision: bigint): Promise<RunningCommand> {
  const watch = cluster.startEtcdctl(["watch", "--prefix", "key-", "--rev", String(revision)]);
  await write(cluster, 1);
  await watch.printed(/PUT/);
  return watch;
}

/** The plan of a restore of one member. */
async function restoredAs(member: PlannedMember, args: readonly string[]): Promise<{ readonly revision: { readonly after: string } }> {
  return JSON.parse((await expectExit(0, ["restore", ...args, ...flagsOf(member), "-o", "json"])).stdout).plan;
}

/** For etcdsafe as for etcdutl. */
function flagsOf({ name, peerUrl, dataDir }: PlannedMember): string[] {
  return ["--name", name, "--initial-cluster", `${name}=${peerUrl}`, "--initial-advertise-peer-urls", peerUrl, "--data-dir", dataDir];
}
