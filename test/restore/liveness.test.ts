import { expect, test } from "vitest";
import type { Answer } from "../../src/cluster/who-answers.ts";
import type { FormerMember } from "../../src/restore/former-members.ts";
import { judgeLiveness, type LivenessCheck, type LivenessSubject, type Seen } from "../../src/restore/liveness.ts";
import type { SeenLock } from "../../src/restore/liveness-locks.ts";
import type { EtcdPod } from "../../src/restore/liveness-manifests.ts";
import { refuseLiveness } from "../../src/restore/liveness-refusal.ts";

const OLD = "00000000000000aa";
const NEW = "00000000000000bb";
const PLANNED = "http://10.0.0.1:2380";
const CLIENT = "http://10.0.0.1:2379";
const FORMER_URL = "http://10.0.0.9:2380";
const FORMER: FormerMember = { id: "0000000000000009", name: "old", peerUrls: [FORMER_URL], clientUrls: ["http://127.0.0.1:2379"] };
const SUBJECT: LivenessSubject = {
  clusterId: NEW,
  members: [
    { name: "m1", id: "0000000000000001", peerUrls: [PLANNED], clientUrls: [CLIENT], clientUrlsAssumed: false, dataDir: "/var/lib/etcd", walDir: "/wal" },
  ],
};
const NOTHING: Seen = { locks: [], answers: [], manifests: undefined, units: undefined, former: [FORMER], source: [FORMER] };
const SILENT = { etcdIsStopped: false };
const SAID = { etcdIsStopped: true };

function etcd(clusterId: string | null, ...memberIds: string[]): Answer {
  return { kind: "etcd", version: "3.7.3", clusterId, memberIds, startedMemberIds: [] };
}

function answering(url: string, answer: Answer, ...others: Seen["answers"]): Seen {
  return { ...NOTHING, answers: [{ url, answer }, ...others] };
}

function judge(seen: Seen, words = SILENT, subject = SUBJECT): { verdict: string; check: LivenessCheck } {
  const { verdict, checks } = judgeLiveness(subject, seen, words);
  return { verdict, check: checks[0]! };
}

const lock = (locked: boolean | null, processId: number | null = null): SeenLock => ({
  path: "/var/lib/etcd/member/snap/db",
  locked,
  processId,
  program: processId === null ? null : "etcd",
});

test("a lock that is held is a fact: it is told who holds it, and no word goes past it", () => {
  for (const words of [SILENT, SAID]) {
    const { verdict, check } = judge({ ...NOTHING, locks: [{ dataDir: "/var/lib/etcd", files: [lock(false), lock(true, 812)] }] }, words);
    expect({ verdict, ...check }).toMatchObject({ verdict: "alive", allowedBy: null, detail: expect.stringContaining("db is locked; by process 812 (etcd)") });
  }
  expect(judge({ ...NOTHING, locks: [{ dataDir: "/d", files: [lock(true)] }] }).check.detail).toContain("another container");
});

test("a member that has run since it was restored, or that was removed, is a fact: it is not restored again, and no word goes past it", () => {
  const [url, client] = ["http://10.0.0.2:2380", "http://10.0.0.2:2379"];
  const others = SUBJECT.members.concat({
    name: "m2",
    id: "0000000000000002",
    peerUrls: [url],
    clientUrls: [client],
    clientUrlsAssumed: false,
    dataDir: null,
    walDir: null,
  });
  const subject = { ...SUBJECT, members: others };
  const says = (memberIds: string[], startedMemberIds: string[]) =>
    answering(url, { kind: "etcd", version: null, clusterId: NEW, memberIds, startedMemberIds });
  const [m1, m2] = ["0000000000000001", "0000000000000002"] as const;
  for (const words of [SILENT, SAID]) {
    expect(judge(says([m1, m2], [m2]), words, subject).verdict).toBe("stopped");
    for (const seen of [says([m1, m2], [m1, m2]), says([m2, "0000000000000007"], [m2])]) {
      const liveness = judgeLiveness(subject, seen, words);
      expect(liveness).toMatchObject({ verdict: "alive", checks: [{ kind: "started", what: "m1", allowedBy: null }, {}] });
      const refused = { message: expect.stringContaining("would take back"), hint: expect.stringContaining("member remove") };
      expect(() => refuseLiveness(liveness)).toThrow(expect.objectContaining({ code: "ETCD_MAY_BE_ALIVE", ...refused }));
    }
  }
  // At a client URL a member may name none but itself; those that it leaves out were not removed.
  expect(judge(answering(client, etcd(NEW, m2)), SILENT, subject).verdict).toBe("stopped");
  // What the former cluster, or another one, says of its members means nothing here.
  expect(
    judgeLiveness(subject, answering(url, { kind: "etcd", version: null, clusterId: OLD, memberIds: [m1], startedMemberIds: [m1] }), SILENT).checks,
  ).toMatchObject([{ kind: "url" }]);
});

test("locks that cannot be looked for stop a restore until somebody says that etcd is stopped; one file that can is enough", () => {
  const unknown: Seen = { ...NOTHING, locks: [{ dataDir: "/d", files: [lock(null), lock(null)] }], answers: [{ url: PLANNED, answer: { kind: "nobody" } }] };
  expect(judge(unknown).verdict).toBe("unknown");
  expect(judge(unknown, SAID)).toMatchObject({ verdict: "stopped", check: { outcome: "unknown", allowedBy: "--etcd-is-stopped" } });
  expect(judge({ ...NOTHING, locks: [{ dataDir: "/d", files: [lock(null), lock(false)] }] }).verdict).toBe("stopped");
});

test.each<[string, string, Answer, "stopped" | "alive" | "unknown"]>([
  ["nothing listens at a URL of the plan", PLANNED, { kind: "nobody" }, "stopped"],
  ["a member of the new cluster answers", PLANNED, etcd(NEW, "0000000000000001"), "stopped"],
  ["a member of the former cluster answers at a URL of the plan", PLANNED, etcd(OLD, FORMER.id), "alive"],
  ["an etcd of a third cluster answers at a URL of the plan", PLANNED, etcd("00000000000000cc", "0000000000000003"), "alive"],
  ["an etcd that does not tell its cluster", CLIENT, etcd(null), "alive"],
  ["somebody who says nothing", PLANNED, { kind: "unnamed", why: "no answer within 3 s" }, "alive"],
  ["something that is no etcd", PLANNED, { kind: "other", what: "HTTP status 503" }, "stopped"],
  ["a host that cannot be reached", PLANNED, { kind: "unreachable", why: "no answer within 3 s" }, "unknown"],
  ["the former cluster, at the URL of one of its members", FORMER_URL, etcd(OLD, FORMER.id), "alive"],
  ["the successor of the former cluster, at a URL of that", FORMER_URL, etcd("00000000000000cc", "0000000000000003"), "alive"],
  [
    "another cluster on this host, where a snapshot of another host says localhost",
    FORMER.clientUrls[0]!,
    etcd("00000000000000cc", "0000000000000003"),
    "stopped",
  ],
  ["the former cluster on this host", FORMER.clientUrls[0]!, etcd(OLD, FORMER.id), "alive"],
  ["an etcd on this host that does not tell", FORMER.clientUrls[0]!, etcd(null), "alive"],
])("%s: %s", (_, url, answer, outcome) => {
  const quiet = { url: "http://10.0.0.2:2380", answer: { kind: "nobody" } } as const;
  const { verdict, check } = judge(answering(url, answer, quiet));
  expect(check.outcome).toBe(outcome);
  expect(verdict).toBe(outcome === "alive" ? "alive" : "stopped");
  if (outcome === "alive") expect(judge(answering(url, answer), SAID)).toMatchObject({ verdict: "stopped", check: { allowedBy: "--etcd-is-stopped" } });
});

test("a client URL that does not tell its cluster is taken for what its member's peer URL says", () => {
  const peer = { url: PLANNED, answer: etcd(NEW, "0000000000000001") };
  expect(judge(answering(CLIENT, etcd(null), peer)).verdict).toBe("stopped");
  expect(judge(answering(CLIENT, { kind: "unnamed", why: "certificate required" }, peer)).verdict).toBe("stopped");
  expect(judge(answering(CLIENT, etcd(null), { url: PLANNED, answer: etcd(OLD) })).verdict).toBe("alive");
});

test("under a token that the source's cluster has had, its members cannot be told from new ones; what a restore has put in place is told apart", () => {
  const own = [{ ...FORMER, id: "0000000000000001" }];
  const answered = answering(PLANNED, etcd(NEW, "0000000000000001"));
  expect(judge({ ...answered, former: own, source: own })).toMatchObject({
    verdict: "alive",
    check: { detail: expect.stringContaining("its token was used before") },
  });
  const again = judge({ ...answered, former: [FORMER, ...own], source: [FORMER] });
  expect(again).toMatchObject({ verdict: "alive", check: { detail: expect.stringContaining("this restore was done here before") } });
  expect(again.check.detail).not.toContain("cannot be told");
});

test("a majority of the former cluster that answers is told in the refusal, and what to do instead of a restore", () => {
  const ids = [1, 2, 3].map((n) => `000000000000000${n + 3}`) as [string, string, string];
  const former = ids.map((id, index) => ({ id, name: `m${index}`, peerUrls: [`http://10.1.0.${index}:2380`], clientUrls: [`http://10.1.0.${index}:2379`] }));
  const seen = (peers: number, clients = 0): Seen => ({
    ...NOTHING,
    former,
    source: former,
    answers: [
      ...former.slice(0, peers).map(({ peerUrls }) => ({ url: peerUrls[0]!, answer: etcd(OLD, ...ids) })),
      ...former.slice(0, clients).map(({ id, clientUrls }) => ({ url: clientUrls[0]!, answer: etcd(OLD, id) })),
    ],
  });
  const quorum = (each: Seen) => judgeLiveness(SUBJECT, each, SILENT).formerQuorum;
  // Two members were added since the backup, of which it cannot know the URLs.
  const grown = (peers: number): Seen => ({
    ...seen(0),
    answers: former.slice(0, peers).map(({ peerUrls }) => ({ url: peerUrls[0]!, answer: etcd(OLD, ...ids, "0000000000000007", "0000000000000008") })),
  });
  expect(quorum(grown(2))).toBeNull();
  expect(quorum(grown(3))).toEqual({ answering: 3, members: 5 });
  expect(quorum(seen(2))).toEqual({ answering: 2, members: 3 });
  expect(quorum(seen(2, 3))).toEqual({ answering: 3, members: 3 });
  expect(quorum(seen(0, 2))).toEqual({ answering: 2, members: 3 });
  for (const none of [seen(1, 1), seen(0), { ...seen(0), former: [FORMER], answers: [{ url: FORMER_URL, answer: etcd(OLD, FORMER.id) }] }])
    expect(quorum(none)).toBeNull();
  expect(refusalOf(seen(2)).hint).toMatch(/^2 of the former cluster's 3 members answer, .* may not be lost.*docs\/disaster\.md/);
});

test("where every look ends without an answer, the operator has to say so", () => {
  const away = answering(PLANNED, { kind: "unreachable", why: "no route" });
  const manifests = { directory: "/m", pods: null, why: "permission denied" };
  expect(judge({ ...away, manifests }).verdict).toBe("unknown");
  expect(judge({ ...away, manifests }, SAID).verdict).toBe("stopped");
  expect(judge({ ...away, manifests, units: { running: [] } }).verdict).toBe("stopped");
  // A copy beside everything, whose hosts are elsewhere, harms nobody here.
  expect(judge(away).verdict).toBe("stopped");
});

test("a static pod counts unless its directories and its URLs are all those of another etcd", () => {
  const pod = { path: "/m/etcd.yaml", directories: ["/var/lib/etcd-events"], urls: ["https://10.0.0.1:12380"] };
  const seen = (each: EtcdPod): Seen => ({ ...NOTHING, manifests: { directory: "/m", pods: [each] } });
  expect(judge(seen(pod))).toMatchObject({ verdict: "stopped", check: { detail: expect.stringContaining("another etcd") } });
  expect(judge(seen({ ...pod, directories: ["/var/lib/etcd/"] })).verdict).toBe("alive");
  expect(judge(seen({ ...pod, directories: ["/var/lib/etcd/default"] })).verdict).toBe("alive");
  expect(judge(seen({ ...pod, urls: [`${FORMER_URL}/`] })).verdict).toBe("alive");
  expect(judge(seen({ ...pod, urls: [] })).verdict).toBe("alive");
  expect(judge({ ...seen(pod), former: [] }).verdict).toBe("alive");
  expect(judge(seen({ ...pod, directories: [] }), SAID).verdict).toBe("stopped");
  expect(judge(seen({ path: "/m/x", directories: [], urls: [], unclear: "no list" }))).toMatchObject({
    verdict: "alive",
    check: { detail: expect.stringContaining("cannot be understood, so that it may be its static pod (no list)") },
  });
  expect(judge({ ...NOTHING, manifests: { directory: "/m", pods: [] } }).check).toMatchObject({ what: "/m", outcome: "stopped" });
  expect(judge({ ...NOTHING, manifests: { directory: "/m", pods: null, why: "permission denied" }, units: { running: [] } })).toMatchObject({
    verdict: "stopped",
    check: { outcome: "unknown" },
  });
});

test("a running unit counts where its data directory is to be written, or cannot be told", () => {
  const unit = (name: string, dataDir: string | null): Seen => ({ ...NOTHING, units: { running: [{ name, state: "activating", dataDir }] } });
  expect(judge(unit("etcd.service", "/var/lib/etcd")).verdict).toBe("alive");
  expect(judge(unit("etcd.service", "/var/lib"))).toMatchObject({ verdict: "alive", check: { detail: expect.stringContaining("activating") } });
  expect(judge(unit("etcd.service", "/wal")).verdict).toBe("alive");
  expect(judge(unit("etcd.service", null)).verdict).toBe("alive");
  expect(judge(unit("etcd.service", null), SAID).verdict).toBe("stopped");
  expect(judge(unit("etcd.service", "/var/lib/etcd-events")).verdict).toBe("stopped");
  expect(judge(unit("k3s.service", "/var/lib/rancher/k3s")).verdict).toBe("stopped");
  const inK3s = { ...SUBJECT, members: [{ ...SUBJECT.members[0]!, dataDir: "/data/k3s/server/db/etcd" }] };
  expect(judge(unit("k3s.service", "/var/lib/rancher/k3s"), SILENT, inK3s).verdict).toBe("alive");
});

test("the refusal says all that was seen, where, and each way out", () => {
  const seen: Seen = {
    locks: [{ dataDir: "/var/lib/etcd", files: [lock(true, 812)] }],
    answers: [
      { url: FORMER_URL, answer: etcd(OLD, FORMER.id) },
      { url: PLANNED, answer: { kind: "nobody" } },
    ],
    manifests: { directory: "/m", pods: [{ path: "/m/etcd.yaml", directories: [], urls: [] }] },
    units: { running: [{ name: "etcd.service", state: "active", dataDir: null }] },
    former: [FORMER],
    source: [FORMER],
  };
  const refusal = refusalOf(seen);
  expect(refusal.message.split("\n").slice(1)).toEqual([
    "  /var/lib/etcd: /var/lib/etcd/member/snap/db is locked; by process 812 (etcd)",
    `  ${FORMER_URL}: old of the former cluster: a member of the former cluster, ${OLD}, answers`,
    "  /m/etcd.yaml: a static pod of etcd: as long as its manifest is there, the kubelet starts it again",
    "  etcd.service: active; which data directory it has cannot be told",
  ]);
  for (const way of [
    "no option goes past a lock",
    "mkdir -p /m-stopped && mv /m/etcd.yaml /m-stopped/",
    "systemctl stop etcd.service",
    "--copy",
    "--cert",
    "--etcd-is-stopped",
  ])
    expect(refusal.hint).toContain(way);
  const onlyLock = refusalOf({ ...NOTHING, locks: seen.locks });
  expect(onlyLock.hint).not.toContain("--etcd-is-stopped");
  expect(refusalOf({ ...NOTHING, locks: [{ dataDir: "/d", files: [lock(null)] }] }).hint).toContain("--etcd-is-stopped");
});

function refusalOf(seen: Seen): { code: string; message: string; hint: string } {
  try {
    refuseLiveness(judgeLiveness(SUBJECT, seen, SILENT));
  } catch (error) {
    return error as { code: string; message: string; hint: string };
  }
  throw new Error("nothing was refused");
}
