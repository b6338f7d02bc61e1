// Files of the host beside a snapshot of a real etcd: saved, verified, shown, planned and unpacked; and what is refused of all that.
import { cp, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure, expectVerdict } from "../support/failures.ts";
import { expectExit, filesBelow } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("bundle");
const path = (name: string) => join(directory.path, name);
const host = path("host");
const repository = path("repository");
const KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n";
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const CONFIGURATION = "kind: EncryptionConfiguration\nresources:\n- providers:\n  - aescbc:\n      keys:\n      - secret: YWJj\n";
const API_SERVER = `apiVersion: v1
kind: Pod
spec:
  containers:
  - command: [kube-apiserver, "--encryption-provider-config=/etc/secret-config/config.yaml"]
    volumeMounts:
    - {name: enc, mountPath: /etc/secret-config}
    - {name: etc, mountPath: /etc}
  volumes:
  - {name: etc, hostPath: {path: /elsewhere}}
  - {name: enc, hostPath: {path: /srv/encryption}}
`;
let cluster: EtcdCluster;

beforeAll(async () => {
  const files: Record<string, string> = {
    "etc/kubernetes/pki/ca.crt": CERTIFICATE,
    "etc/kubernetes/pki/ca.key": KEY,
    "etc/kubernetes/manifests/kube-apiserver.yaml": API_SERVER,
    "etc/kubernetes/admin.conf": "users:\n- user:\n    client-key-data: LS0t\n",
    "etc/kubernetes/tmp/large": "not for a bundle",
    "srv/encryption/config.yaml": CONFIGURATION,
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(host, name, ".."), { recursive: true });
    await writeFile(join(host, name), text, { mode: 0o600 });
  }
  await symlink("/etc/kubernetes/pki/ca.crt", join(host, "etc/kubernetes/pki/link.crt"));
  cluster = await startCluster({ minor: "3.7" });
  const pod = Buffer.concat([Buffer.from("k8s\0\n\x09\n\x02v1\x12\x03Pod"), Buffer.alloc(50, 1)]);
  await putMany(await cluster.client(), [
    { key: "/any/pods/a", value: pod },
    { key: "/any/secrets/a", value: Buffer.concat([Buffer.from("k8s:enc:aescbc:v1:key1:"), Buffer.alloc(64, 9)]) },
    { key: "/any/crd/a", value: '{"apiVersion":"a/v1","kind":"A"}' },
  ]);
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

const saving = (...more: readonly string[]) => [
  "save",
  "--endpoints",
  cluster.endpoints[0]!,
  "--repository",
  repository,
  "-o",
  "json",
  "--log-format",
  "json",
  ...more,
];
const PRESET = ["--include-preset", "kubeadm"];

async function saved(...more: readonly string[]) {
  return JSON.parse((await expectExit(0, saving(...more))).stdout).manifest;
}

test("bundle: a kubeadm host's files are saved, verified, shown, planned, and unpacked beside the restore", async () => {
  const args = [...PRESET, "--host-root", host, "--include", `${path("host/etc/kubernetes/tmp")}=extra`, "--allow-plaintext-secrets"];
  const manifest = await saved(...args);
  expect(manifest.bundle).toMatchObject({
    entries: 10,
    presets: ["kubeadm"],
    kinds: ["certificate", "credentials", "encryption-configuration", "encryption-key", "private-key", "static-pod"],
    containsPrivateKeys: true,
  });
  expect(manifest.warnings).toEqual([]);
  expect(manifest.objects.map(({ role, name }: { role: string; name: string }) => [role, name])).toEqual([
    ["snapshot", "snapshot.db.zst"],
    ["bundle", "bundle.tar.zst"],
  ]);
  await expectExit(0, ["verify", manifest.id, "--repository", repository]);
  const shown = await expectExit(0, ["show", manifest.id, "--repository", repository]);
  expect(shown.stdout).toMatch(/bundle +10 entries \(kubeadm\), \d+ B: certificate, .*; secret\n/);

  const restore = ["restore", manifest.id, "--repository", repository, "--copy"];
  const out = path("out");
  const planned = await expectExit(0, [...restore, "--data-dir", path("data"), "--bundle-dir", out, "--plan"]);
  expect(planned.stdout).toMatch(/bundle +10 entries .*; unpacked into \/.*\/out \(--bundle-dir\)\n/);
  const toFile = await expectExit(0, [...restore, "--to-snapshot", path("planned.db"), "--bundle-dir", out, "--plan"]);
  expect(toFile.stdout).toMatch(/bundle +10 entries .*; unpacked into \/.*\/out \(--bundle-dir\)\n/);
  await expect(stat(out)).rejects.toThrow();
  await expectExit(0, [...restore, "--data-dir", path("data"), "--bundle-dir", out]);
  expect(await readdir(path("data"))).toEqual(["member"]);
  const files = join(out, "files");
  expect(await readFile(join(files, "etc/kubernetes/pki/ca.key"), "utf8")).toBe(KEY);
  expect(await readFile(join(files, "srv/encryption/config.yaml"), "utf8")).toBe(CONFIGURATION);
  expect(await readFile(join(files, "extra/large"), "utf8")).toBe("not for a bundle");
  expect(await readlink(join(files, "etc/kubernetes/pki/link.crt"))).toBe("ca.crt");
  expect((await stat(join(files, "etc/kubernetes/pki/ca.key"))).mode & 0o777).toBe(0o600);
  expect(await readdir(join(files, "etc/kubernetes"))).toEqual(["admin.conf", "manifests", "pki"]);

  // Into what is not empty nothing is restored either.
  expectFailure("TARGET_NOT_EMPTY", await runCli([...restore, "--data-dir", path("data-2"), "--bundle-dir", out]), {
    message: /out, where the bundle is to go, is not empty/,
  });
  await expect(stat(path("data-2"))).rejects.toThrow();
  // Nor is anything where both would go to the same place.
  const into = (dataDir: string, out: string) => runCli([...restore, "--data-dir", path(dataDir), "--bundle-dir", path(out)]);
  expectFailure("USAGE", await into("data-2", "data-2/member/snap/files"), { message: /lies in the data directory of this restore, .*data-2$/, hint: /./ });
  const around = await runCli([...restore, "--to-snapshot", path("data-2/file.db"), "--bundle-dir", path("data-2")]);
  expectFailure("USAGE", around, { message: /is around the snapshot file of this restore, /, hint: /./ });
  await expect(stat(path("data-2"))).rejects.toThrow();
  // And where nothing can be restored, nothing is unpacked.
  expectFailure("TARGET_NOT_EMPTY", await runCli([...restore, "--data-dir", path("data"), "--bundle-dir", path("out-2")]), { message: /data/, hint: /./ });
  expect((await readdir(directory.path)).filter((name) => name.startsWith("out"))).toEqual(["out"]);
  await expectExit(0, [...restore, "--to-snapshot", path("snapshot.db"), "--bundle-dir", path("out-3")]);
  expect(await filesBelow(path("out-3"))).toEqual(await filesBelow(out));

  const plan = await expectExit(0, [...restore, "--data-dir", path("data-4"), "--bundle-dir", path("out-4"), "--plan", "-o", "json"]);
  expect(JSON.parse(plan.stdout).plan.source.bundle).toEqual(manifest.bundle);
  await writeFile(path("plan.json"), plan.stdout);
  const byPlan = ["restore", "--from-plan", path("plan.json"), "--repository", repository];
  expectFailure("USAGE", await runCli([...byPlan, "--bundle-dir", path("data-4")]), { message: /is the data directory of this restore/, hint: /./ });
  await expectExit(0, [...byPlan, "--bundle-dir", path("out-4")]);
  expect(await filesBelow(path("out-4"))).toEqual(await filesBelow(out));
});

test("bundle: private keys are not stored unencrypted by accident, and what is missing stops the save before it begins", async () => {
  const before = await filesBelow(repository);
  expectFailure("PLAINTEXT_SECRETS", await runCli(saving(...PRESET, "--host-root", host)), { message: /unencrypted: .*\/etc\/kubernetes\/pki\/ca\.key/ });
  expectFailure("FILE_NOT_FOUND", await runCli(saving("--include", path("missing"))), { message: /missing to include in the bundle/ });
  expectFailure("FILE_NOT_FOUND", await runCli(saving("--include-preset", "k3s", "--host-root", host)), { message: /nothing of k3s/, hint: /--host-root/ });
  expectFailure("USAGE", await runCli(saving("--include-preset", "k4s")), { message: /"k4s" is none of kubeadm, k3s, rke2, systemd/, hint: /--include/ });
  const after = await filesBelow(repository);
  expect(Object.keys(after).filter((key) => !(key in before) && !key.includes("/attempts/"))).toEqual([]);
});

test("bundle: an encrypted one takes private keys without a word, and the key unpacks it", async () => {
  const identity = await generateX25519Identity();
  await writeFile(path("key.txt"), identity, { mode: 0o600 });
  const key = ["--identity-file", path("key.txt")];
  const manifest = await saved(...PRESET, "--host-root", host, "--recipient", await identityToRecipient(identity));
  expect(manifest.objects[1]).toMatchObject({ role: "bundle", name: "bundle.tar.zst.age", encryption: { scheme: "age" } });
  expect(manifest.bundle).toMatchObject({ containsPrivateKeys: true });
  const stored = await readFile(join(repository, "default/backups", manifest.id, "bundle.tar.zst.age"), "latin1");
  expect(stored).toMatch(/^age-encryption\.org\/v1\n/);
  await expectExit(0, ["verify", manifest.id, "--repository", repository, ...key]);
  const restore = ["restore", manifest.id, "--repository", repository, "--copy", "--data-dir", path("opened")];
  const shown = await expectExit(0, ["show", manifest.id, "--repository", repository]);
  expect(shown.stdout).toMatch(/bundle +8 entries \(kubeadm\)/);
  await expectExit(0, [...restore, "--bundle-dir", path("opened-out"), ...key]);
  expect(await readFile(join(path("opened-out"), "files/etc/kubernetes/pki/ca.key"), "utf8")).toBe(KEY);
});

test("bundle: a save of a Kubernetes keyspace without what brings the cluster back says so", async () => {
  const { warnings, id } = await saved();
  expect(warnings).toEqual([
    expect.stringMatching(/etcd of a Kubernetes cluster, and its certificates and keys are not in the backup/),
    expect.stringMatching(/^1 values are encrypted at rest \(aescbc\), and the configuration/),
  ]);
  const { warnings: some } = await saved("--include", path("host/etc/kubernetes/pki"), "--host-root", host, "--allow-plaintext-secrets");
  expect(some).toEqual([expect.stringMatching(/encrypted at rest/)]);
  const toFile = await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--output", path("plain.db"), "-o", "json"]);
  expect(JSON.parse(toFile.stdout).warnings).toHaveLength(2);
  const restore = ["restore", id, "--repository", repository, "--data-dir", path("none"), "--bundle-dir", path("none-out")];
  expectFailure("BUNDLE_NOT_FOUND", await runCli(restore), { message: /no files of a host were saved beside / });
  await expect(stat(path("none"))).rejects.toThrow();
});

test("bundle: one that is not what its manifest or its index says is found by verify, and not unpacked", async () => {
  const { id } = await saved("--include", path("host/etc/kubernetes/manifests"));
  const { id: other } = await saved("--include", path("host/etc/kubernetes/tmp"));
  const copy = path("swapped");
  await cp(repository, copy, { recursive: true });
  const key = (backup: string, name: string) => join(copy, "default/backups", backup, name);
  await cp(key(other, "bundle.tar.zst"), key(id, "bundle.tar.zst"));
  const manifest = JSON.parse(await readFile(key(id, "manifest.json"), "utf8"));
  const theirs = JSON.parse(await readFile(key(other, "manifest.json"), "utf8"));
  // Consistent with itself but for the index inside, which says whose it is.
  manifest.objects[1] = theirs.objects[1];
  await writeFile(key(id, "manifest.json"), JSON.stringify(manifest));
  const restore = ["restore", id, "--repository", copy, "--copy", "--data-dir", path("swapped-data"), "--bundle-dir", path("swapped-out")];
  expectFailure("BUNDLE_INVALID", await runCli(restore), { message: /is not what was saved: the manifest's bundle belongs to default\// });
  await expect(stat(path("swapped-data"))).rejects.toThrow();
  const verdict = await runCli(["verify", id, "--repository", copy, "-o", "json"]);
  expectVerdict("MANIFEST_INVALID", verdict, { message: /bundle belongs to default\// });
  await rm(copy, { recursive: true });
});
