import { expect, test } from "vitest";
import { planText } from "../../src/cli/plan-text.ts";
import { restoredText } from "../../src/cli/restore-text.ts";
import type { RestoreResult } from "../../src/restore/apply.ts";
import { planRestore } from "../../src/restore/plan.ts";
import type { SourceFacts } from "../../src/restore/source.ts";
import { restoreRequest, snapshotFacts } from "../support/restore-request.ts";

const LATEST = "762";
const NOW = { now: new Date("2026-11-21T12:00:00.000Z"), bundleDirectory: undefined };

test.each([
  ["3.4.0", LATEST, "Before anything is written, every member must then answer 7 to: etcdctl endpoint hashkv\n"],
  ["3.4.0", "700", "Every member must then answer 7 to: etcdctl endpoint hashkv --rev 762\n"],
  ["3.5.0", LATEST, "Every member must then answer 7 to: etcdctl endpoint hashkv --rev 762\n"],
])("restored: of etcd %s, compacted up to %s of 762, it names a command that the members answer", (clusterVersion, compactRevision, line) => {
  expect(restoredText({ ...restored(clusterVersion, compactRevision), leftovers: [], finishes: null })).toContain(`\n\n${line}`);
});

test("restore plan and result: they say which etcd the directories are for, where the source says which it is of", () => {
  const { plan, hashKv } = restored("3.4.0", "-1");
  expect(planText(plan, NOW)).toMatch(/^to be run by +etcd 3\.4 or newer$/m);
  expect(restoredText({ plan, hashKv, leftovers: [], finishes: null })).toContain(
    "To start it (etcd 3.4 or newer), at the assumed client URLs:\n  etcd --name n1 --data-dir /var/lib/n1 ",
  );
  const newer = { ...plan, versions: { ...plan.versions, oldestEtcd: "3.7" } };
  expect(planText(newer, NOW)).toContain("etcd 3.7 or newer");
  const unknown = { ...plan, versions: { ...plan.versions, oldestEtcd: null } };
  expect(planText(unknown, NOW)).not.toContain("to be run by");
  expect(restoredText({ plan: unknown, hashKv, leftovers: [], finishes: null })).toContain("To start it, at the assumed client URLs:");
});

test("restored: what it says of a missing directory holds for clusters of any size", () => {
  const { plan, hashKv } = restored("3.6.0", "-1");
  const text = restoredText({ plan, hashKv, leftovers: [], finishes: null });
  expect(text).toContain('("existing": a member whose directory is missing gets the data from the others, or does not serve.');
});

test("restored: under a plan with instructions, the next thing is its next step", () => {
  const { plan, hashKv } = restored("3.6.0", "-1");
  const text = restoredText({ plan: { ...plan, distro: "kubeadm" }, hashKv, leftovers: [], finishes: null });
  expect(text).toContain('Go on with step 3 of the plan ("Start etcd")');
  expect(text).not.toContain("etcd --name");
  expect(text).toContain("must then answer 7 to:");
});

test("restore plan: it says where what was saved beside the snapshot is unpacked, or that it is not", () => {
  const { plan } = restored("3.6.0", "-1");
  const bundle = { entries: 6, sizeBytes: 15, presets: [], kinds: [], containsPrivateKeys: false } as unknown as NonNullable<SourceFacts["bundle"]>;
  const line = (source: SourceFacts, bundleDirectory: string | undefined) =>
    planText({ ...plan, source }, { ...NOW, bundleDirectory }).match(/^bundle +(.*)$/m)?.[1];
  expect(line({ ...plan.source, bundle }, "/root/b")).toBe("6 entries, 15 B; unpacked into /root/b (--bundle-dir)");
  expect(line({ ...plan.source, bundle }, undefined)).toBe("6 entries, 15 B; not unpacked (--bundle-dir DIR does)");
  expect(line(plan.source, undefined)).toBeUndefined();
});

test("restore plan: it says how old the source is, what is lost, and what becomes of leases, alarms and authentication", () => {
  const { plan } = restored("3.6.0", "-1");
  const newest = { kind: "backup", where: "a later backup", revision: "1000", isUpperBound: false, at: null } as const;
  const text = planText(
    {
      ...plan,
      source: { ...plan.source, createdAt: "2026-11-21T09:30:00.000Z" },
      loss: { newest, revisions: "238", secondsBetween: 5400, upperBound: false },
      revision: { ...plan.revision, evidence: [...plan.revision.evidence, newest] },
      keyspace: {
        alarms: { count: 1, policy: "drop" },
        auth: { before: "on", after: "off" },
        leases: { count: 3, policy: "expire", boundKeys: 7, addedBytes: 4096 },
      },
    },
    NOW,
  );
  expect(text).toContain("2026-11-21T09:30:00.000Z (2h ago)\n");
  expect(text).toMatch(/^lost +at least 238 revisions in 1 h 30 min, up to 1000 \(a later backup\)$/m);
  expect(text).toMatch(/^a later backup +1000/m);
  expect(text).toMatch(/^authentication +switched off/m);
  expect(text).toMatch(/^alarms +1, dropped$/m);
  expect(text).toMatch(/^leases +3, ended; 7 keys bound to them deleted$/m);
});

test("restored: a member whose peer URL is a name listens on every address, and its own WAL directory is named", () => {
  const { plan, hashKv } = restored("3.6.0", "-1");
  const members = [
    {
      name: "a",
      id: "1",
      peerUrls: ["https://a.example:2380"],
      clientUrls: [],
      clientUrlsAssumed: true,
      replaces: null,
      access: null,
      dataDir: "/data/a",
      walDir: "/wal of a",
    },
    {
      name: "b",
      id: "2",
      peerUrls: ["https://10.0.0.2:2380"],
      clientUrls: [],
      clientUrlsAssumed: true,
      replaces: null,
      access: null,
      dataDir: null,
      walDir: null,
    },
  ];
  expect(restoredText({ plan: { ...plan, members }, hashKv, leftovers: [], finishes: null })).toContain(
    "  etcd --name a --data-dir /data/a --wal-dir '/wal of a' --listen-peer-urls https://0.0.0.0:2380 --initial-advertise-peer-urls https://a.example:2380 " +
      "--initial-cluster a=https://a.example:2380,b=https://10.0.0.2:2380 --initial-cluster-state existing --quota-backend-bytes 2147483648\n",
  );
});

test("restored: client URLs that were named are in the command, and what is left to be added is said", () => {
  const { plan, hashKv } = restored("3.6.0", "-1");
  const started = (clientUrls: readonly string[], peerUrl = "http://10.0.0.1:2380") => {
    const members = plan.members.map((member) => ({ ...member, peerUrls: [peerUrl], clientUrls, clientUrlsAssumed: false }));
    return restoredText({ plan: { ...plan, members }, hashKv, leftovers: [], finishes: null });
  };
  const plain = started(["http://10.0.0.1:2379", "http://m1.example:2389"]);
  expect(plain).toContain("To start it (etcd 3.6 or newer):\n  etcd --name n1 ");
  expect(plain).toContain(
    "--initial-advertise-peer-urls http://10.0.0.1:2380 --listen-client-urls http://10.0.0.1:2379,http://0.0.0.0:2389 --advertise-client-urls http://10.0.0.1:2379,http://m1.example:2389 --initial-cluster ",
  );
  // Unencrypted, for who is on the host: not for everybody.
  expect(started(["http://localhost:2379", "http://10.0.0.1:2379"])).toContain(
    "--listen-client-urls http://127.0.0.1:2379,http://10.0.0.1:2379 --advertise-client-urls http://localhost:2379,",
  );
  expect(started(["unix:///run/etcd.sock", "http://m1.example:80"])).toContain("--listen-client-urls unix:///run/etcd.sock,http://0.0.0.0:80 ");
  expect(started(["https://10.0.0.1:2379"])).toContain("To start it (etcd 3.6 or newer), with certificates added:\n");
  expect(started(["http://10.0.0.1:2379"], "https://10.0.0.1:2380")).toContain(", with certificates added:\n");
  expect(started([])).toContain("To start it (etcd 3.6 or newer), with client URLs added:\n");
  expect(started([], "https://10.0.0.1:2380")).toContain(", with client URLs and certificates added:\n");
});

test("restore plan: where only an earlier restore is newer than the source, that is said, and no number", () => {
  const { plan } = restored("3.6.0", "-1");
  const newest = { kind: "restore-record", where: "restore of 7", revision: "27000000002", isUpperBound: false, at: null } as const;
  expect(planText({ ...plan, loss: { newest, revisions: "0", secondsBetween: 624, upperBound: false } }, NOW)).toMatch(
    /^lost +no revision that is known, but whatever was written since an earlier restore went on at 27000000002, 10 min 24 s after the source \(restore of 7\)$/m,
  );
});

test("restored: a member listens on each port once, also on one that is its scheme's default", () => {
  const listens = (...peerUrls: string[]) => {
    const { plan, hashKv } = restored("3.6.0", "-1");
    const members = [{ name: "a", id: "1", peerUrls, clientUrls: [], clientUrlsAssumed: true, replaces: null, access: null, dataDir: "/data/a", walDir: null }];
    return /--listen-peer-urls (\S+)/.exec(restoredText({ plan: { ...plan, members }, hashKv, leftovers: [], finishes: null }))?.[1];
  };
  expect(listens("http://h:80", "https://h.example:443")).toBe("http://0.0.0.0:80,https://0.0.0.0:443");
  expect(listens("http://127.0.0.1:2380", "http://localhost:2380", "http://10.0.0.1:2381")).toBe("http://127.0.0.1:2380,http://10.0.0.1:2381");
  expect(listens("http://localhost:2380", "http://one:2380")).toBe("http://0.0.0.0:2380");
  expect(listens("http://one:2380", "http://two:2380")).toBe("http://0.0.0.0:2380");
  expect(listens("http://[::1]:2380")).toBe("'http://[::1]:2380'");
});

function restored(clusterVersion: string, compactRevision: string): Omit<RestoreResult, "leftovers" | "finishes"> {
  const request = restoreRequest({
    source: snapshotFacts({ location: "etcd.db", databaseSha256: null, revision: LATEST, compactRevision, storageVersion: null, clusterVersion }),
    cluster: [{ name: "n1", peerUrls: ["http://127.0.0.1:42001"] }],
    targets: [{ name: "n1", dataDir: "/var/lib/n1" }],
  });
  const plan = planRestore(request);
  return { plan, hashKv: { revision: LATEST, compactRevision, hash: 7 } };
}
