import { statSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { applyRestore } from "../../src/restore/apply.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { type FoundMember, foundMembers, goneOn, otherMembersDirectory, ownMember } from "../../src/restore/found-member.ts";
import { planRestore, type RestorePlan } from "../../src/restore/plan.ts";
import { restoredHashKv } from "../../src/restore/self-check.ts";
import { plainRows } from "../support/random-history.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const signal = new AbortController().signal;

test("found members: a plan knows what it has restored, until it was started, and whose directory another host's is", async () => {
  await using directory = await temporaryDirectory("found");
  const path = join(directory.path, "snapshot.db");
  writeSnapshot(path, { rows: plainRows(10) });
  const source = snapshotFileSource(path);
  const dataDirOf = (name: string) => join(directory.path, name);
  const plan = planRestore({
    source: source.facts,
    cluster: ["m1", "m2"].map((name, index) => ({ name, peerUrls: [`http://127.0.0.1:${index + 1}`] })),
    targets: ["m1", "m2"].map((name) => ({ name, dataDir: dataDirOf(name) })),
    newToken: "t",
    command: () => "",
    stageId: "s",
    bumpRevision: "auto",
    evidence: NO_EVIDENCE,
    skipHashCheck: false,
    tool: "0",
    plannedAt: "2026-11-21T12:00:00.000Z",
  });
  expect(await foundMembers(plan, { signal })).toEqual([]);
  const { hashKv } = await applyRestore(plan, source, { signal, runtime: testRuntime() });
  const found = await foundMembers(plan, { signal });
  const states = found.map((each) => ownMember(plan, each));
  expect(states).toEqual(
    ["m1", "m2"].map((name) => ({
      name,
      memberDir: join(dataDirOf(name), "member"),
      state: "as restored",
      revision: plan.revision.after,
      restoredAt: statSync(join(dataDirOf(name), "member/snap/db")).mtime.toISOString(),
    })),
  );
  expect(await restoredHashKv(join(dataDirOf("m1"), "member/snap/db"), plan, { signal })).toEqual(hashKv);
  expect(found.map((each) => otherMembersDirectory(plan, each))).toEqual([undefined, undefined]);

  // One that was started has entries of its own, or a later revision, or lost what tells.
  const [own] = found as [FoundMember];
  const log = own.files.log as Extract<FoundMember["files"]["log"], { lastIndex: bigint }>;
  const database = own.files.database as Extract<FoundMember["files"]["database"], { revision: bigint }>;
  const later: FoundMember[] = [
    { ...own, files: { database, log: { ...log, lastIndex: 3n } } },
    { ...own, files: { log, database: { ...database, revision: database.revision + 1n } } },
    { ...own, files: { log, database: { ...database, consistentIndex: 3n } } },
    { ...own, files: { database, log: null }, memberId: null, clusterId: null },
    { ...own, files: { database, log: { ...log, corruption: "the file ends inside a record" } } },
  ];
  for (const each of later) expect(ownMember(plan, each)).toMatchObject({ state: "gone on", restoredAt: plan.plannedAt });
  const refusal = goneOn(ownMember(plan, later[1]!)!, plan);
  expect(refusal).toMatchObject({ code: "PLAN_MISMATCH", message: expect.stringMatching(/m1 of this very plan.* up to revision 1000000012/) });
  expect(refusal.hint).toContain(`member remove ${plan.members.find(({ name }) => name === "m1")!.id}`);
  expect(refusal.hint).toMatch(/Where the others are gone, .*make a new plan: without --from-plan, on this host/);
  expect(`${refusal.message} ${refusal.hint}`).not.toContain("plan again");

  // It may be running as well.
  const alone = { ...plan, members: plan.members.filter(({ name }) => name === "m1") };
  expect(goneOn(ownMember(plan, later[1]!)!, alone).hint).toMatch(/^Go on with what it has, and start it where it is stopped\. /);

  // Another plan's, or another member's.
  expect(ownMember({ ...plan, clusterId: "0000000000000001" }, own)).toBeUndefined();
  const onHostOf1 = { ...own, target: "m2" };
  expect(ownMember(plan, onHostOf1)).toBeUndefined();
  expect(otherMembersDirectory(plan, onHostOf1)).toMatchObject({
    name: "m1",
    text: expect.stringContaining("of this very plan, and m2 is to be written there"),
  });
  const former: RestorePlan = { ...plan, clusterId: "0000000000000001" };
  expect(otherMembersDirectory(former, onHostOf1)).toMatchObject({ name: "m1", text: expect.stringContaining("of the former cluster") });
  const formerMembers = [{ id: own.memberId!, name: "m1", peerUrls: [], clientUrls: [] }];
  expect(otherMembersDirectory({ ...former, formerMembers }, { ...onHostOf1, known: [] })).toMatchObject({ name: "m1" });
  // A former member whose name is no planned one's has been renamed.
  expect(otherMembersDirectory({ ...former, members: plan.members.filter(({ name }) => name === "m2") }, onHostOf1)).toBeUndefined();

  await cp(path, join(directory.path, "m2/member/snap/db"));
  await writeFile(join(directory.path, "m1/member/snap/db"), "");
  expect((await foundMembers(plan, { signal })).map((each) => ownMember(plan, each)?.state)).toEqual(["gone on", "gone on"]);
});
