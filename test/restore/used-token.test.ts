// Who knows the ids that a token makes, and when that is only another run of the same restore.
import { expect, test } from "vitest";
import type { FoundMember } from "../../src/restore/found-member.ts";
import type { RestorePlan } from "../../src/restore/plan.ts";
import { type KnownClusters, requireUnusedToken } from "../../src/restore/used-token.ts";
import { expectThrown } from "../support/failures.ts";

const CLUSTER = "93b2df0f46cd604b";
const [A, B] = ["000000000000000a", "000000000000000b"] as const;
const member = (name: string, id: string, dataDir: string | null) => ({ name, id, dataDir });
const plan = (dirOfB: string | null = "/b") =>
  ({
    token: "t",
    clusterId: CLUSTER,
    members: [member("a", A, "/a"), member("b", B, dirOfB)],
    plannedAt: "2026-11-21T12:00:00.000Z",
    revision: { before: "762", after: "1762" },
  }) as unknown as RestorePlan;
const NOBODY: KnownClusters = { source: { members: [] }, found: [], stored: null };
const knownMember = (id: string) => ({ id, name: "", peerUrls: [], clientUrls: [] });
const position = (clusterId: string) => ({ where: "s", revision: 1n, consistentIndex: 1n, clusterId, memberIds: [] });

/** In /a: of two members, so never run where its log has two entries. */
function foundMember(revision: bigint, lastIndex: bigint, clusterId: string = CLUSTER): FoundMember {
  const [database, log] = ["/a/member/snap/db", "/a/member/wal"];
  const at = "2026-11-21T11:00:00.000Z";
  const files = {
    database: { path: database, revision, consistentIndex: lastIndex, memberIds: [A, B], at },
    log: { path: log, lastIndex, commit: lastIndex, metadata: null, corruption: null, at },
  };
  return { target: "a", memberDir: "/a/member", memberId: A, clusterId, known: [], files };
}

function record(revisionAfter: string, before = "762") {
  const value = { revisionAfter, parent: { revision: before }, restoredAt: "2026-11-21T10:00:00.000Z" };
  return { key: "default/restores/x.json", record: value } as unknown as NonNullable<KnownClusters["stored"]>["restores"][number];
}

const stored = (hasSaved: boolean, ...restores: ReturnType<typeof record>[]) => ({ location: "/r", hasSaved, restores });

test.each<[string, Partial<KnownClusters>, RegExp]>([
  ["of the source", { source: { members: [], logPosition: position(CLUSTER) } }, /the source is of that very cluster$/],
  ["with one of the source's members", { source: { members: [knownMember(B)] } }, /the source knows its member 000000000000000b \(000000000000000b\) already$/],
  ["whose member lies here, started", { found: [foundMember(1762n, 3n)] }, /\/a\/member is a member of it, at revision 1762$/],
  ["whose member lies here, as it was before", { found: [foundMember(26n, 60n)] }, /\/a\/member is a member of it, at revision 26$/],
  ["that has saved", { stored: stored(true) }, /that has saved to \/r$/],
  [
    "restored to another revision",
    { stored: stored(false, record("1762"), record("2000")) },
    /restores\/x\.json says that it was restored at .*, to begin at revision 2000$/,
  ],
  ["restored from another backup", { stored: stored(false, record("1762", "700")) }, /to begin at revision 1762$/],
])("a token that makes the ids of a cluster %s is refused", async (_, known, use) => {
  await expectThrown("TOKEN_USED", () => requireUnusedToken(plan(), { ...NOBODY, ...known }), use);
});

test.each<[string, Partial<KnownClusters>]>([
  ["nobody knows", {}],
  ["of other ids", { source: { members: [knownMember("000000000000000c")], logPosition: position("1111111111111111") } }],
  ["of another run of this restore", { found: [foundMember(1762n, 2n)] }],
  ["of another cluster's member here", { found: [foundMember(26n, 60n, "1111111111111111")] }],
])("a token that makes ids %s is taken", (_, known) => {
  expect(requireUnusedToken(plan(), { ...NOBODY, ...known })).toEqual([]);
});

test("a run of the same restore that is on record may have been another host's, or have been started since: that is said", () => {
  const known = { ...NOBODY, stored: stored(false, record("1762")) };
  const warning = expect.stringMatching(/^A run of this restore is on record since 2026-11-21T10:00:00\.000Z \(\/r: default\/restores\/x\.json\)/);
  expect(requireUnusedToken(plan(), known)).toEqual([warning]);
  expect(requireUnusedToken(plan(), { ...known, found: [foundMember(1762n, 2n)] })).toEqual([warning]);
});

test("a restore whose members are all here, and never started, may be done again, whatever is on record", async () => {
  const b = { ...foundMember(900n, 2n), target: "b", memberId: B };
  const known = { ...NOBODY, found: [foundMember(900n, 2n), b], stored: stored(false, record("900")) };
  // They may have been copied before, and those copies started.
  expect(requireUnusedToken(plan(), known)).toEqual([expect.stringMatching(/IF ONE THAT WAS STARTED IS LOST, or is run from a copy, STOP/)]);
  await expectThrown("TOKEN_USED", () => requireUnusedToken(plan(), { ...known, found: known.found.slice(1) }), /to begin at revision 900$/);
  const started = [foundMember(900n, 2n), { ...b, files: foundMember(900n, 3n).files }];
  await expectThrown("TOKEN_USED", () => requireUnusedToken(plan(), { ...known, found: started }), /is a member of it/);
});

test("members that were restored and never started are written anew at another revision only all together", async () => {
  const known = { ...NOBODY, found: [foundMember(5000n, 2n)] };
  expect(() => requireUnusedToken(plan(), known)).not.toThrow();
  await expectThrown("TOKEN_USED", () => requireUnusedToken(plan(null), known), /\/a\/member is a member of it, at revision 5000$/);
});
