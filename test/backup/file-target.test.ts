// A save to a file or to standard output: which names it writes, and what it leaves when it fails. The members are made up, the snapshot is a real one.
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileTarget } from "../../src/backup/file-target.ts";
import type { Saved } from "../../src/backup/save-target.ts";
import type { TakeOptions } from "../../src/backup/take.ts";
import type { ObservedCluster } from "../../src/repository/cluster-file.ts";
import { madeUpClients } from "../support/made-up-members.ts";
import { plainRows } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const REVISION = 51;
const SNAPSHOT = buildSnapshot({ rows: plainRows(REVISION - 1) });
const OBSERVED: ObservedCluster = { clusterId: "1", members: [], kubeSystemUid: null };
const MEMBERS = [1n, 2n, 3n].map((id) => ({ id, name: `m${id}`, peerUrls: [], clientUrls: [`http://m${id}`], isLearner: false }));

/** Of m1, whose snapshot is `snapshot`; where the others are asked, each holds other data. */
function taking(which: "others" | "none", snapshot: Uint8Array = SNAPSHOT) {
  const { clients } = madeUpClients((endpoint) => ({ id: BigInt(endpoint.at(-1)!), snapshot, revision: REVISION, hash: 1 }));
  const runtime = testRuntime();
  const take = {
    clients,
    selection: { quorum: true, order: [], members: MEMBERS, leader: undefined },
    serving: { endpoint: "http://m1", memberId: 1n, dbSizeBytes: snapshot.length },
    which,
    whyNone: "nobody asked",
    contradictedBy: [],
    stallLimitMs: 10_000,
    onPhase: () => undefined,
    signal: AbortSignal.timeout(20_000),
    runtime,
  } as unknown as TakeOptions;
  return { take, runtime };
}

/** Into `path`, by way of a spool or without one. */
async function toFile(path: string, { take, runtime }: ReturnType<typeof taking>, way: "spool" | "no spool" = "spool"): Promise<Saved> {
  const target = fileTarget(path, runtime);
  await target.prepare(OBSERVED, take);
  if (way === "no spool") return target.passOn(OBSERVED, take);
  await using spool = await target.openSpool!(SNAPSHOT.length);
  return await target.store(OBSERVED, spool, take);
}

test("save to a file: snapshots that others contradict never replace anything, and each is kept, as far as there are not too many", async () => {
  await using directory = await temporaryDirectory("file-target");
  const path = join(directory.path, "etcd.db");
  await writeFile(path, "the last good one");
  await symlink("nowhere", `${path}.suspect-2`);
  const others = [3, 4, 5, 6, 7, 8, 9].map((number) => `etcd.db.suspect-${number}`);
  for (const name of others) await writeFile(join(directory.path, name), "of another run");
  const [first, second, third] = [taking("others"), taking("others"), taking("others")];
  expect(await toFile(path, first)).toMatchObject({ state: "suspect", file: `${path}.suspect` });
  expect(await toFile(path, second)).toMatchObject({ state: "suspect", file: `${path}.suspect-10` });
  expect([...first.runtime.logged, ...second.runtime.logged]).toEqual([]);
  expect(await toFile(path, third)).toMatchObject({ state: "suspect", file: null });
  expect(third.runtime.logged).toEqual([
    {
      level: "warn",
      message: `the suspect snapshot of http://m1 is not kept: 10 of them, ${path}.suspect to ${path}.suspect-10, are there already; look into those, and remove them`,
    },
  ]);
  for (const name of ["etcd.db.suspect", "etcd.db.suspect-10"]) expect((await readFile(join(directory.path, name))).equals(SNAPSHOT), name).toBe(true);
  for (const name of others) expect(await readFile(join(directory.path, name), "utf8"), name).toBe("of another run");
  expect(await readFile(path, "utf8")).toBe("the last good one");
  expect((await readdir(directory.path)).sort()).toEqual([...others, "etcd.db", "etcd.db.suspect", "etcd.db.suspect-10", "etcd.db.suspect-2"].sort());
});
