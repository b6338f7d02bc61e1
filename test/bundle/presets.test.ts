// Presets against hosts that are made up: a directory stands for the root, as where a container mounts it.
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { placeOnHost } from "../../src/bundle/host.ts";
import { encryptionConfigurations, namedFiles } from "../../src/bundle/named-files.ts";
import { presetIncludes } from "../../src/bundle/presets.ts";
import { expectThrown } from "../support/failures.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

async function hostWith(files: Readonly<Record<string, string>>): Promise<TemporaryDirectory> {
  const host = await temporaryDirectory("host");
  for (const [name, text] of Object.entries(files)) {
    const path = join(host.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  return host;
}

const sources = async (preset: string, host: TemporaryDirectory) => (await presetIncludes(preset, host.path)).includes.map(({ source }) => source);

const MANIFEST = (flag: string) => `
apiVersion: v1
kind: Pod
spec:
  containers:
  - name: kube-apiserver
    command:
    - kube-apiserver
    - ${flag}
    - --etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt
    volumeMounts:
    - mountPath: /etc/kubernetes/enc
      name: enc
      readOnly: true
    - mountPath: /etc/kubernetes
      name: all
  volumes:
  - hostPath:
      path: /etc/kubernetes
    name: all
  - hostPath:
      path: /srv/secret
    name: enc
`;

test("bundle presets: kubeadm's files, and the encryption configuration where the API server's pod mounts it from", async () => {
  await using host = await hostWith({
    "etc/kubernetes/pki/ca.crt": "",
    "etc/kubernetes/manifests/kube-apiserver.yaml": MANIFEST("--encryption-provider-config=/etc/kubernetes/enc/config.yaml"),
    "etc/kubernetes/admin.conf": "",
    "etc/kubernetes/tmp/etcd/db": "",
    "srv/secret/config.yaml": "",
  });
  expect(await sources("kubeadm", host)).toEqual(["/etc/kubernetes/pki", "/etc/kubernetes/manifests", "/etc/kubernetes/admin.conf", "/srv/secret/config.yaml"]);
});

test("bundle presets: an encryption configuration that is named and missing is told of", async () => {
  await using host = await hostWith({ "etc/kubernetes/manifests/kube-apiserver.yaml": MANIFEST("--encryption-provider-config=/etc/kubernetes/gone.yaml") });
  const { warnings } = await presetIncludes("kubeadm", host.path);
  expect(warnings).toEqual([
    expect.stringMatching(/kube-apiserver\.yaml names the encryption configuration \/etc\/kubernetes\/gone\.yaml, which is not on this host/),
  ]);
});

test.each(["k3s", "rke2"] as const)("bundle presets: %s's token, certificates, encryption configuration and unit", async (preset) => {
  const server = `var/lib/rancher/${preset}/server`;
  const unit = `etc/systemd/system/${preset === "k3s" ? "k3s" : "rke2-server"}.service`;
  await using host = await hostWith({
    [`${server}/token`]: "K10::server:x",
    [`${server}/tls/server-ca.key`]: "",
    [`${server}/cred/encryption-config.json`]: "{}",
    [`${server}/db/etcd/config`]: "",
    [`${server}/db/etcd/member/snap/db`]: "",
    [`etc/rancher/${preset}/config.yaml`]: "",
    [unit]: "",
  });
  expect(await sources(preset, host)).toEqual([
    `/${server}/token`,
    `/${server}/tls`,
    `/${server}/cred`,
    `/${server}/db/etcd/config`,
    `/etc/rancher/${preset}`,
    `/${unit}`,
  ]);
});

test("bundle presets: systemd's units, and what they name, and what that names", async () => {
  await using host = await hostWith({
    "usr/lib/systemd/system/etcd.service":
      "[Service]\nPIDFile=/run/etcd.pid\nEnvironmentFile=-/opt/etcd/env\n#EnvironmentFile=/opt/no\nExecStart=/usr/bin/etcd --config-file /opt/etcd/conf\n",
    "opt/etcd/env": "ETCD_TRUSTED_CA_FILE=/opt/tls/ca.pem\nETCD_LOG_FILE=/var/log/etcd/etcd.log\n",
    "opt/etcd/conf": "client-transport-security:\n  key-file: /opt/tls/key.pem\n  cert-file: '/opt/tls/cert.pem'\n",
    "opt/tls/ca.pem": "",
    "opt/tls/key.pem": "",
    "opt/no": "",
    "var/log/etcd/etcd.log": "",
    "run/etcd.pid": "",
    "etc/systemd/system/kube-apiserver.service": "[Service]\nExecStart=/usr/bin/kube-apiserver \\\n  --encryption-provider-config /etc/enc.yaml \\\n",
    "etc/enc.yaml": "",
  });
  expect((await sources("systemd", host)).toSorted()).toEqual([
    "/etc/enc.yaml",
    "/opt/etcd/conf",
    "/opt/etcd/env",
    "/opt/tls/ca.pem",
    "/opt/tls/key.pem",
    "/usr/lib/systemd/system/etcd.service",
  ]);
});

test("bundle presets: nothing at all, or no preset, is an error", async () => {
  await using host = await hostWith({});
  await expectThrown("FILE_NOT_FOUND", () => presetIncludes("kubeadm", host.path), /nothing of kubeadm is on this host/);
  await expectThrown("USAGE", () => presetIncludes("toString", host.path), /"toString" is none of/);
});

test("bundle presets: links of the host are followed within the host, never to this one", async () => {
  await using host = await hostWith({ "data/pki/ca.crt": "", "data/real": "" });
  await mkdir(join(host.path, "etc"));
  await symlink("/data", join(host.path, "etc/kubernetes"));
  await symlink("../../../../../../../data/real", join(host.path, "etc/file"));
  await symlink("loop", join(host.path, "etc/loop"));
  expect(await placeOnHost(host.path, "/etc/kubernetes/pki")).toBe(join(host.path, "data/pki"));
  expect(await placeOnHost(host.path, "/etc/kubernetes/pki/../../data/pki")).toBe(join(host.path, "data/pki"));
  expect(await placeOnHost(host.path, "/etc/file")).toBe(join(host.path, "etc/file"));
  expect(await placeOnHost(host.path, "/etc/loop/x")).toBeUndefined();
  expect(await placeOnHost(host.path, "/etc/passwd")).toBeUndefined();
  expect(await placeOnHost("/", "/etc/passwd")).toBe("/etc/passwd");
});

test("bundle presets: what is no YAML, or another YAML, is no obstacle", () => {
  expect(encryptionConfigurations("{[ --encryption-provider-config=/a/b")).toEqual(["/a/b"]);
  expect(encryptionConfigurations("spec: 3\n# --encryption-provider-config=/a/b")).toEqual(["/a/b"]);
  expect(encryptionConfigurations("spec: {containers: 7, volumes: [x]}\n# --encryption-provider-config=/a/b")).toEqual(["/a/b"]);
  expect(encryptionConfigurations("kind: Pod")).toEqual([]);
  expect(namedFiles("no file here, but a profile: none")).toEqual([]);
});
