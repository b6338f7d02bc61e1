import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seeManifests } from "../../src/restore/liveness-manifests.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** As kubeadm 1.36 writes it, cut to what matters. */
const KUBEADM = `apiVersion: v1
kind: Pod
metadata:
  labels: {component: etcd, tier: control-plane}
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.1:2379
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://10.0.0.1:2380
    - --initial-cluster=cp1=https://10.0.0.1:2380
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    image: registry.k8s.io/etcd:3.6.5-0
    name: etcd
  volumes:
  - hostPath: {path: /etc/kubernetes/pki/etcd, type: DirectoryOrCreate}
    name: etcd-certs
  - hostPath: {path: /var/lib/etcd, type: DirectoryOrCreate}
    name: etcd-data
`;
const API_SERVER = `apiVersion: v1
kind: Pod
spec:
  containers:
  - command: [kube-apiserver, --etcd-servers=https://127.0.0.1:2379]
    image: registry.k8s.io/kube-apiserver:v1.36.0
    name: kube-apiserver
`;

async function seeing(files: Readonly<Record<string, string>>) {
  await using root = await temporaryDirectory("manifests");
  const directory = join(root.path, "etc/kubernetes/manifests");
  await mkdir(join(directory, "directory.yaml"), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  const { pods } = await seeManifests(root.path);
  return pods?.map(({ path, ...pod }) => ({ name: path.slice(directory.length + 1), ...pod }));
}

test("manifests: kubeadm's etcd, with its directories and URLs", async () => {
  expect(await seeing({ "etcd.yaml": KUBEADM, "kube-apiserver.yaml": API_SERVER })).toEqual([
    {
      name: "etcd.yaml",
      directories: ["/etc/kubernetes/pki/etcd", "/var/lib/etcd"],
      urls: ["https://10.0.0.1:2379", "https://10.0.0.1:2380", "https://127.0.0.1:2379"],
    },
  ]);
});

test("manifests: a copy beside the original is one as well, whatever its name ends in; hidden files and what is no manifest are none", async () => {
  const others = { ".etcd.yaml.swp": KUBEADM, "empty.yaml": "", "empty.json": "# etcd", notes: "etcd was here" };
  expect(await seeing({ "etcd.yaml.bak": KUBEADM, ...others })).toMatchObject([{ name: "etcd.yaml.bak" }]);
});

test("manifests: as a kubelet reads them: the first document, of equal keys the last, and null for what is left out", async () => {
  const kubeadm = { directories: ["/etc/kubernetes/pki/etcd", "/var/lib/etcd"], urls: expect.arrayContaining(["https://10.0.0.1:2379"]) };
  const read = {
    "1": `${KUBEADM}---\n`,
    "2": `---\n${KUBEADM}---\nkind: ConfigMap\n`,
    "3": KUBEADM.replace("kind: Pod\n", "kind: Service\nkind: Pod\n"),
    "4": KUBEADM.replace("    image:", "    args: null\n    env: [null, {name: A, value: null}]\n    image:"),
    "5": KUBEADM.replace("  volumes:\n", "  volumes:\n  - null\n  - {name: a, hostPath: null}\n"),
    "6": KUBEADM.replace("  containers:\n", "  initContainers: null\n  containers:\n  - null\n"),
    "7": `${API_SERVER}---\n${KUBEADM}`,
  };
  expect(await seeing(read)).toEqual(["1", "2", "3", "4", "5", "6"].map((name) => ({ name, ...kubeadm })));
  expect(await seeing({ "1": "kind: Pod\nspec: null # etcd", "2": "kind: Pod\nspec: {containers: null} # etcd" })).toEqual([]);
});

test("manifests: one that mentions etcd and cannot be understood may be one, and says why", async () => {
  const unclear = { directories: [], urls: [], unclear: expect.stringMatching(/./) };
  const files = { "1": `${KUBEADM}\n\t: [`, "2": KUBEADM.replace("    image:", "    args: etcd\n    image:"), "3": '{"kind": "Pod", "etcd' };
  expect(await seeing(files)).toEqual(Object.keys(files).map((name) => ({ name, ...unclear })));
  expect(await seeing({ "1": "kind: Pod\n\t: [" })).toEqual([]);
});

test("manifests: etcd is told by its container's name, program or image, in JSON and with variables too", async () => {
  const pod = (container: unknown) => JSON.stringify({ kind: "Pod", spec: { containers: [container] } });
  const env = [{ name: "ETCD_DATA_DIR", value: "/data" }];
  expect(
    await seeing({
      "1": pod({ name: "etcd", image: "quay.io/openshift-release-dev/ocp@sha256:00", command: ["/bin/sh", "-c", "exec etcd --data-dir /x"], env }),
      "2": pod({ name: "db", image: "x", command: ["/usr/local/bin/etcd", "--data-dir", "/y"] }),
      "3": pod({ name: "db", image: "localhost:5000/coreos/etcd:v3.5.0" }),
      "4": pod({ name: "backup", image: "example.org/etcd-backup:1" }),
      "5": JSON.stringify({ kind: "Deployment", spec: { containers: [{ name: "etcd" }] } }),
    }),
  ).toMatchObject([{ name: "1", directories: ["/data"] }, { name: "2", directories: ["/y"] }, { name: "3" }]);
});

test("manifests: none where there is no such directory, nor one with nothing in it", async () => {
  await using root = await temporaryDirectory("manifests");
  expect(await seeManifests(root.path)).toMatchObject({ pods: [] });
  await mkdir(join(root.path, "etc/kubernetes/manifests"), { recursive: true });
  expect(await seeManifests(root.path)).toMatchObject({ pods: [] });
});
