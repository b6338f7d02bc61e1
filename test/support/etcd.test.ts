import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createAuthority } from "./certificates.ts";
import { etcdutl, initialCluster, planMembers, startCluster } from "./etcd.ts";
import { currentRevision, deleteMany, grantLease, putMany, readAll } from "./etcd-data.ts";
import { MINORS_AT_HAND } from "./minors.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

test.each(MINORS_AT_HAND)("etcd harness: a member of %s starts, takes writes, starts again on its data and is gone afterwards", async (minor) => {
  const cluster = await startCluster({ minor });
  const [member] = cluster.members;
  const client = await cluster.client();
  const lease = await grantLease(client, 600);
  await putMany(
    client,
    Array.from({ length: 250 }, (_, index) => ({ key: `k/${index}`, value: "v", ...(index === 0 ? { lease } : {}) })),
    100,
  );
  await deleteMany(client, ["k/7", "k/8"]);
  expect(await currentRevision(client)).toBe(1n + 3n + 2n);
  expect(await readAll(client)).toHaveLength(248);
  const before = await cluster.hashKv();
  expect(await cluster.etcdctl(["version"])).toContain(`etcdctl version: ${minor}.`);

  await member?.stop();
  expect(member?.pid).toBeUndefined();
  await member?.start();
  expect(await cluster.hashKv()).toEqual(before);

  await cluster.stop();
  expect(existsSync(cluster.directory)).toBe(false);
});

test("etcd harness: three members agree, survive a kill and a pause, and take a learner", async () => {
  await using cluster = await startCluster({ size: 3 });
  const leader = await cluster.leader();
  const [second, third] = cluster.members.filter((member) => member !== leader);
  await third?.kill();
  await cluster.etcdctl(["put", "a", "1"], [leader]);
  await third?.start();
  second?.pause();
  await cluster.etcdctl(["put", "a", "2"], [leader]);
  second?.resume();
  await second?.waitUntil("healthy");
  const learner = await cluster.addMember("learner");
  await cluster.promote(learner);
  const hashes = await cluster.hashKv(3);
  expect(hashes.map(({ hash }) => hash)).toEqual(Array(4).fill(hashes[0]?.hash));
});

test("etcd harness: a learner is started when all members have heard of it", async () => {
  await using cluster = await startCluster({ size: 3 });
  const leader = await cluster.leader();
  // etcd asks the members in the order of their URLs, and believes the first that answers.
  const asked = cluster.members.filter((member) => member !== leader).toSorted((a, b) => (a.peerUrl < b.peerUrl ? -1 : 1))[0]!;
  asked.pause();
  const joining = cluster.addMember("learner");
  await sleep(1_000);
  asked.resume();
  expect((await joining).pid).toBeDefined();
});

test("etcd harness: a member starts from a directory that etcdutl restored", async () => {
  await using directory = await temporaryDirectory();
  await using source = await startCluster({ size: 1 });
  await source.etcdctl(["put", "a", "1"]);
  const file = `${directory.path}/snapshot.db`;
  await source.etcdctl(["snapshot", "save", file]);
  const members = await planMembers(1, directory.path);
  const [member] = members;
  const where = ["--name", member?.name ?? "", "--data-dir", member?.dataDir ?? "", "--initial-advertise-peer-urls", member?.peerUrl ?? ""];
  await etcdutl("3.7", ["snapshot", "restore", file, ...where, "--initial-cluster", initialCluster(members)]);
  await using restored = await startCluster({ members, directory: directory.path });
  expect(await restored.etcdctl(["get", "a", "--print-value-only"])).toBe("1\n");
});

test("etcd harness: TLS with client certificates, and authentication", async () => {
  await using directory = await temporaryDirectory();
  const authority = await createAuthority(directory.path);
  const server = await authority.issue({ name: "server" });
  const client = await authority.issue({ name: "client" });
  const tls = { caPath: authority.path, server, client, requireClientCertificate: true };
  await using cluster = await startCluster({ tls, rootPassword: "secret", extraArgs: ["--auth-token-ttl", "2"] });
  await cluster.etcdctl(["put", "a", "1"]);
  expect(await readAll(await cluster.client())).toHaveLength(1);
  expect(await cluster.etcdctl(["auth", "status"])).toContain("Authentication Status: true");
});

test("etcd harness: a member that cannot start says why", async () => {
  await expect(startCluster({ extraArgs: ["--quota-backend-bytes", "many"] })).rejects.toThrow(/ended; its log:\n(.*\n)*.*quota-backend-bytes/);
});
