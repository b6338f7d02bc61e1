import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { planRestore, type RestoreRequest } from "../../src/restore/plan.ts";
import { restoreRequest, snapshotFacts } from "../support/restore-request.ts";

const SOURCE = snapshotFacts();
/** etcd-formats §4.2: ids that real etcd gave these members under this token. */
const CLUSTER = [
  { name: "n1", peerUrls: ["http://127.0.0.1:42001"] },
  { name: "n2", peerUrls: ["http://127.0.0.1:42003", "http://127.0.0.2:42003"] },
  { name: "n3", peerUrls: ["http://127.0.0.1:42005"] },
];
const TARGETS = CLUSTER.map(({ name }) => ({ name, dataDir: `/var/lib/${name}` }));

function request(changes: Partial<RestoreRequest> = {}): RestoreRequest {
  return {
    source: SOURCE,
    cluster: CLUSTER,
    targets: TARGETS,
    token: "tokX",
    newToken: "new-token",
    command: (member, token, bump) => `restore --name ${member} --bump-revision ${bump} --initial-cluster-token ${token}`,
    stageId: "s1",
    bumpRevision: "none",
    evidence: NO_EVIDENCE,
    skipHashCheck: false,
    tool: "0.1.0",
    plannedAt: "2026-11-21T12:00:00.000Z",
    ...changes,
  };
}

test("restore plan: member and cluster ids are those etcd computes", () => {
  const plan = planRestore(request());
  expect(plan.clusterId).toBe("93b2df0f46cd604b");
  expect(Object.fromEntries(plan.members.map(({ name, id }) => [name, id]))).toEqual({
    n1: "0ce9dd4bce73f8c4",
    n2: "dbaba6e397d3a479",
    n3: "2f1bd00aa88e6bda",
  });
  // And not in the order of their ids, which etcd has them in.
  expect(plan.members.map(({ name }) => name)).toEqual(["n1", "n2", "n3"]);
});

test("restore plan: it is plain JSON", () => {
  const plan = planRestore(request({ bumpRevision: "10" }));
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
});

test("restore plan: several members in separate runs need a token, and the refusal holds commands that work", () => {
  const attempt = () => planRestore(request({ targets: TARGETS.slice(0, 1), token: undefined }));
  expect(attempt).toThrow(EtcdsafeError);
  try {
    attempt();
  } catch (error) {
    expect(error).toMatchObject({ code: "TOKEN_REQUIRED" });
    const { hint } = error as EtcdsafeError;
    expect(hint).toMatch(/^Leave --name .* out .*: etcdsafe restore --from-plan plan\.json --member NAME\n/);
    for (const { name } of CLUSTER) expect(hint).toContain(`--name ${name} `);
    expect(hint.match(/--initial-cluster-token new-token/g)).toHaveLength(3);
    expect(hint).toContain("--all-members");
  }
});

test("restore plan: one member, or all members in one run, get the new token", () => {
  expect(planRestore(request({ token: undefined })).token).toBe("new-token");
  const alone = { cluster: CLUSTER.slice(0, 1), targets: TARGETS.slice(0, 1) };
  expect(planRestore(request({ ...alone, token: undefined })).token).toBe("new-token");
});

test("restore plan: a name that is not in the cluster, and URLs used twice, are refused before a token is asked for", () => {
  expect(() => planRestore(request({ targets: [{ name: "n9", dataDir: "/x" }] }))).toThrow(/n9/);
  const twice = [...CLUSTER.slice(0, 2), { name: "n3", peerUrls: ["http://127.0.0.1:42001"] }];
  expect(() => planRestore(request({ cluster: twice, targets: TARGETS.slice(0, 1), token: undefined }))).toThrow(/same peer URL/);
});

test("restore plan: separate runs choose no revision by themselves, and the refusal holds commands with an amount that is enough", () => {
  const evidence = { ...NO_EVIDENCE, found: [{ kind: "given", where: "--evidence", revision: "5000", isUpperBound: false, at: null } as const] };
  const attempt = (changes: Partial<RestoreRequest>) => () =>
    planRestore(request({ targets: TARGETS.slice(0, 1), bumpRevision: "auto", evidence, ...changes }));
  expect(attempt({})).toThrow(
    expect.objectContaining({ code: "USAGE", hint: expect.stringContaining("restore --name n3 --bump-revision 1000004238 --initial-cluster-token tokX\n") }),
  );
  expect(attempt({ token: undefined })).toThrow(
    expect.objectContaining({ code: "TOKEN_REQUIRED", hint: expect.stringContaining("--bump-revision 1000004238 --initial-cluster-token new-token\n") }),
  );
  for (const bumpRevision of ["none", "7"]) expect(attempt({ bumpRevision })().revision.bump).toBe(bumpRevision);
  expect(attempt({ targets: TARGETS })().revision.after).toBe("1000005000");
});

test("restore plan: the encoding follows the version that wrote the source", () => {
  const dialect = (storageVersion: string | null, clusterVersion: string | null) =>
    planRestore(request({ source: { ...SOURCE, storageVersion, clusterVersion } })).walDialect;
  expect(dialect(null, "3.4.0")).toBe("3.4");
  expect(dialect(null, "3.5.0")).toBe("3.6");
  expect(dialect("3.6.0", "3.6.0")).toBe("3.6");
  expect(dialect("3.7.0", "3.7.0")).toBe("3.7");
  expect(dialect(null, null)).toBe("3.6");
});

test("restore plan: leases, alarms, states that are not proven, and a skipped hash are all said", () => {
  const text = planRestore(request({ source: { ...SOURCE, leases: 4, alarms: 2, state: "suspect", databaseSha256: null }, skipHashCheck: true })).warnings.join(
    "\n",
  );
  for (const word of ["4 lease", "2 alarm", "suspect", "--skip-hash-check"]) expect(text).toContain(word);
});

test("restore plan: bytes count the directories this run writes", () => {
  const { bytes } = planRestore(request({ targets: TARGETS.slice(0, 2) }));
  expect(bytes).toMatchObject({ databasePerMember: 8192, walPerMember: 64_000_000, total: 2 * (8192 + 64_000_000) });
});

test("restore plan: in one run per host, directories may have the same names, and a new token serves all", () => {
  const targets = CLUSTER.map(({ name }) => ({ name, dataDir: "/var/lib/etcd" }));
  const plan = planRestore(request({ targets, perHost: true, token: undefined }));
  expect(plan).toMatchObject({ perHost: true, token: "new-token" });
  expect(plan.members.map(({ dataDir }) => dataDir)).toEqual(["/var/lib/etcd", "/var/lib/etcd", "/var/lib/etcd"]);
  const nested = targets.map((target) => ({ ...target, walDir: "/var/lib/etcd/member/wal2" }));
  expect(() => planRestore(request({ targets: nested, perHost: true }))).toThrow(/lie in each other/);
});

test("restore plan: client URLs are those that were named, else the customary ones, and the plan says which", () => {
  const [first, ...others] = CLUSTER;
  const { members } = planRestore(request({ cluster: [{ ...first!, clientUrls: ["https://n1.example:4001"] }, ...others] }));
  const urls = Object.fromEntries(members.map(({ name, clientUrls, clientUrlsAssumed }) => [name, [clientUrls, clientUrlsAssumed]]));
  expect(urls).toMatchObject({
    n1: [["https://n1.example:4001"], false],
    n2: [["http://127.0.0.1:2379", "http://127.0.0.2:2379"], true],
  });
});

test("restore plan: members that would all have the same client URL, by where their peers are, are told to have ones of their own", () => {
  const cluster = ["a", "b", "c"].map((name, index) => ({ name, peerUrls: [`http://127.0.0.1:${2380 + index}`] }));
  const warningOf = (members: RestoreRequest["cluster"]) =>
    planRestore(request({ cluster: members, targets: [{ name: "a", dataDir: "/a" }] })).warnings.filter((each) => each.includes("clientUrls"));
  expect(warningOf(cluster)).toEqual([
    expect.stringMatching(
      /^The members a, b, c cannot all listen on http:\/\/127\.0\.0\.1:2379, which is assumed from the peer URLs: name each one's `clientUrls`/,
    ),
  ]);
  expect(warningOf(cluster.map((member, index) => ({ ...member, clientUrls: [`http://127.0.0.1:${4000 + index}`] })))).toEqual([]);
  const [a, b, c] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map((host, index) => ({ ...cluster[index]!, peerUrls: [`http://${host}:2380`] }));
  expect(warningOf([a!, b!, c!])).toEqual([]);
  expect(warningOf([a!, b!, { ...c!, clientUrls: ["unix:///run/c"] }])).toEqual([]);
  expect(warningOf([a!, b!, { ...c!, peerUrls: ["http://127.0.0.2:2480"] }])).toEqual([expect.stringMatching(/^The members b, c cannot all listen on/)]);
  for (const named of ["http://127.0.0.2:2379", "https://127.0.0.2:2379"]) {
    expect(warningOf([{ ...a!, clientUrls: [named] }, b!, c!])).toEqual([
      expect.stringMatching(/^The members a, b cannot all listen on http:\/\/127\.0\.0\.2:2379, which is assumed for b from the peer URLs:/),
    ]);
  }
});

test("restore plan: members that were given one client URL, as that of a load balancer, are not warned of", () => {
  const cluster = CLUSTER.map((member) => ({ ...member, clientUrls: ["https://etcd.example:2379"] }));
  expect(planRestore(request({ cluster })).warnings.filter((each) => each.includes("clientUrls"))).toEqual([]);
});

test.each([
  [8192, 2],
  [Math.floor((2 * 1024 ** 3) / 1.5), 2],
  [Math.floor((2 * 1024 ** 3) / 1.5) + 1, 3],
  [3_000_000_000, 5],
])("restore plan: a database of %d bytes gets a quota of %d GiB", (databaseSizeBytes, gib) => {
  expect(planRestore(request({ source: { ...SOURCE, databaseSizeBytes } })).quotaBackendBytes).toBe(gib * 1024 ** 3);
});

test("restore plan: two members in one directory are refused", () => {
  const shared = (targets: RestoreRequest["targets"]) => () => planRestore(request({ targets }));
  const [first, second] = TARGETS as [(typeof TARGETS)[number], (typeof TARGETS)[number]];
  expect(shared([first, { ...second, dataDir: first.dataDir }])).toThrow('the members "n1" and "n2" have the same directory /var/lib/n1');
  expect(shared([{ ...first, walDir: "/wal" }, { ...second, walDir: "/wal" }, TARGETS[2]!])).toThrow("/wal");
});

test("restore plan: a WAL directory that is the default one changes nothing", () => {
  const alone = { cluster: CLUSTER.slice(0, 1), targets: [{ name: "n1", dataDir: "/var/lib/n1", walDir: "/var/lib/n1/member/wal" }] };
  expect(planRestore(request(alone)).members[0]).toMatchObject({ dataDir: "/var/lib/n1", walDir: null });
});

test("restore plan: directories that lie in each other are refused; a WAL beside its own member directory is not", () => {
  const targets = (...pairs: (readonly [dataDir: string, walDir?: string])[]) =>
    pairs.map(([dataDir, walDir], index) => ({ name: `n${index + 1}`, dataDir, ...(walDir === undefined ? {} : { walDir }) }));
  for (const wrong of [
    targets(["/q"], ["/q/member/wal"]),
    targets(["/q/b"], ["/q"]),
    targets(["/q", "/q/member"]),
    targets(["/q", "/r"], ["/r"]),
    targets(["/w/data", "/w"]),
  ]) {
    expect(() => planRestore(request({ targets: wrong })), JSON.stringify(wrong)).toThrow(expect.objectContaining({ code: "MEMBERS_INVALID" }));
  }
  const fault = (wrong: RestoreRequest["targets"]) => () => planRestore(request({ targets: wrong }));
  expect(fault(targets(["/q", "/q"]))).toThrow('member "n1": the data directory and the WAL directory are the same, /q');
  expect(fault(targets(["/w/data", "/w"]))).toThrow('member "n1": the data directory /w/data and the WAL directory /w lie in each other');
  for (const right of [targets(["/q", "/q/wal"]), targets(["/q"], ["/q2"]), targets(["/q", "/wal/a"], ["/r", "/wal/b"]), targets(["/..q"], ["/q"])]) {
    expect(planRestore(request({ targets: right })).members).toHaveLength(3);
  }
});

test("plan: peer URLs that etcd takes and nobody could reach are refused", () => {
  for (const [url, why] of [
    ["unix:///run/etcd.sock", "is a socket, on which other hosts cannot reach the member"],
    ["unixs://localhost:1", "is a socket"],
    ["http://a<b>:1", "has a host that cannot be"],
  ] as const) {
    const plan = () =>
      planRestore(restoreRequest({ source: snapshotFacts(), cluster: [{ name: "m", peerUrls: [url] }], targets: [{ name: "m", dataDir: "/d" }] }));
    expect(plan).toThrow(expect.objectContaining({ code: "MEMBERS_INVALID", message: expect.stringContaining(`member "m": the peer URL ${url} ${why}`) }));
  }
});
