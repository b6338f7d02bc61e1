// Which etcd starts what was restored for it: the table of etcd-formats §4.8, and what `restore` says of each row (test/restore/target-version.test.ts).
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { ETCD_MINORS, type EtcdMinor } from "../../scripts/provision.ts";
import { runCli } from "../support/cli.ts";
import { runs } from "../support/counts.ts";
import { planMembers, startCluster } from "../support/etcd.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { MINORS_AT_HAND, type TestedMinor } from "../support/minors.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface Step {
  readonly from: EtcdMinor;
  readonly to: TestedMinor;
}

const ALL = ETCD_MINORS.flatMap((from) => MINORS_AT_HAND.map((to): Step => ({ from, to })));
/** Where something is left out, or a minor is skipped. */
const HARD: readonly Step[] = [
  { from: "3.7", to: "3.6" },
  { from: "3.7", to: "3.5" },
  { from: "3.6", to: "3.5" },
  { from: "3.5", to: "3.7" },
];
const STEPS = [...HARD, ...ALL.filter(({ from, to }) => !HARD.some((each) => each.from === from && each.to === to))];

test.each(STEPS.slice(0, runs(HARD.length, STEPS.length)))(
  "from etcd $from to $to: members restored with --target-version start, agree, work on and start again",
  async ({ from, to }) => {
    await using directory = await temporaryDirectory("target-version");
    const members = await planMembers(runs(1, 3), directory.path);
    const { hash, revision } = await restored(directory.path, members, from, ["--target-version", to]);
    await using cluster = await startCluster({ minor: to, members, directory: directory.path, initialClusterState: "existing" });
    expect((await cluster.hashKv(Number(revision))).map((each) => each.hash)).toEqual(members.map(() => hash));
    await cluster.etcdctl(["put", "after", "restore"]);
    for (const member of cluster.members) {
      await member.stop();
      await member.start();
    }
    expect(await cluster.etcdctl(["get", "after", "--print-value-only"])).toBe("restore\n");
  },
);

test("from etcd 3.7 to 3.6 without --target-version: 3.6 does not start, which the plan says", async () => {
  await using directory = await temporaryDirectory("target-version");
  const members = await planMembers(1, directory.path);
  const { oldestEtcd } = await restored(directory.path, members, "3.7", []);
  expect(oldestEtcd).toBe("3.7");
  const start = { minor: "3.6", members, directory: directory.path, initialClusterState: "existing", waitFor: "nothing" } as const;
  await using cluster = await startCluster(start);
  await cluster.members[0]!.waitUntilEnded();
  expect(await cluster.members[0]!.logTail(40)).toMatch(/3\.7\.0\\?" is not supported|invalid downgrade/);
});

/** Without a bump, so that HashKV is the source's. */
async function restored(directory: string, members: readonly PlannedMember[], from: EtcdMinor, flags: readonly string[]) {
  const file = join(directory, "snapshot.db");
  await writeFile(file, zstdDecompressSync(await readFile(new URL(`../golden/snapshots/${from}/uncompacted.db.zst`, import.meta.url))));
  const membersFile = join(directory, "members.yaml");
  await writeFile(membersFile, stringify({ members: members.map(({ name, peerUrl, dataDir }) => ({ name, peerUrls: [peerUrl], dataDir })) }));
  const result = await runCli(["restore", file, "--members", membersFile, "--all-members", "--bump-revision", "none", ...flags, "-o", "json"]);
  expect(result.exitCode, result.stderr).toBe(0);
  const { hashKv, plan } = JSON.parse(result.stdout);
  return { hash: hashKv.hash as number, revision: hashKv.revision as string, oldestEtcd: plan.versions.oldestEtcd as string };
}
