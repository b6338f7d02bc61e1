// docs/disaster.md, rehearsed: a quorum is lost, and somebody with nothing but the printed plan brings the cluster back.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { provisionEtcd } from "../../scripts/provision.ts";
import { outputOf, runCommand } from "../support/command.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { type Host, makeHosts } from "../support/rehearsal/hosts.ts";
import { followPlan, saveCommandIn } from "../support/rehearsal/operator.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const NAMES = ["cp1", "cp2", "cp3"];
/** As the plan calls hosts that have no member. */
const API_SERVER = "every node with an API server";
const WORKER = "every other node";
const PODS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

interface Rehearsal {
  /** Those of the members. */
  readonly hosts: ReadonlyMap<string, Host>;
  readonly others: ReadonlyMap<string, Host>;
  readonly repository: string;
  readonly clientUrls: readonly string[];
  readonly peerUrls: readonly string[];
  etcdctl(...args: string[]): Promise<string>;
}

/** Three hosts with a cluster that `start` starts, a backup of it, and writes after the backup. */
async function rehearse(start: (rehearsal: Rehearsal) => Promise<void>, act: (rehearsal: Rehearsal) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory("rehearsal");
  const ports = await claimPorts(6);
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const [api, worker, ...hosts] = (await makeHosts(["api", "worker", ...NAMES], directory.path, "3.6")) as [Host, Host, ...Host[]];
  const clientUrls = NAMES.map((_, index) => url(ports[2 * index]));
  const { etcdctl } = await provisionEtcd("3.6");
  const rehearsal: Rehearsal = {
    hosts: new Map(hosts.map((host) => [host.name, host])),
    others: new Map([
      [API_SERVER, api],
      [WORKER, worker],
    ]),
    repository: join(directory.path, "repository"),
    clientUrls,
    peerUrls: NAMES.map((_, index) => url(ports[2 * index + 1])),
    etcdctl: (...args) => outputOf(etcdctl, ["--endpoints", clientUrls.join(","), ...args]),
  };
  try {
    await start(rehearsal);
    await expect
      .poll(async () => (await runCommand(etcdctl, ["--endpoints", clientUrls.join(","), "endpoint", "health"])).exitCode, { timeout: 30_000 })
      .toBe(0);
    await rehearsal.etcdctl("put", "/registry/pods/kept", "1");
    await rehearsal.etcdctl("put", "/registry/masterleases/10.0.0.99", "gone for good");
    await hosts[0]!.do(`etcdsafe save --endpoints ${clientUrls.join(",")} --repository ${rehearsal.repository}`);
    await rehearsal.etcdctl("put", "/registry/pods/lost", "2");
    await act(rehearsal);
  } finally {
    for (const host of [api, ...hosts]) await host[Symbol.asyncDispose]();
    await releasePorts(ports);
  }
}

/** As kubeadm has it in etcd's pod. */
const VOLUMES = "  volumes:\n  - hostPath:\n      path: /var/lib/etcd\n      type: DirectoryOrCreate\n    name: etcd-data\n";

/** Of one member; the rest of its command line is the same for all. */
function etcdFlags({ clientUrls, peerUrls }: Rehearsal, index: number): Record<string, string> {
  return {
    name: NAMES[index]!,
    "data-dir": "/var/lib/etcd",
    "listen-client-urls": clientUrls[index]!,
    "advertise-client-urls": clientUrls[index]!,
    "listen-peer-urls": peerUrls[index]!,
    "initial-advertise-peer-urls": peerUrls[index]!,
    "initial-cluster": NAMES.map((name, each) => `${name}=${peerUrls[each]}`).join(","),
    "initial-cluster-state": "new",
    "unsafe-no-fsync": "true",
  };
}

/** Its pods, and the kubelet that runs whatever has a manifest. */
async function startApiServer(host: Host): Promise<void> {
  for (const pod of PODS) await writeFile(join(host.root, `etc/kubernetes/manifests/${pod}.yaml`), `kind: Pod\nmetadata: { name: ${pod} }\n`);
  host.startKubelet();
}

async function expectPods(host: Host, pods: readonly string[]): Promise<void> {
  const seen = async () => (await host.do("ls /etc/kubernetes/manifests; crictl ps -q --name .")).trim().split("\n").sort();
  await expect.poll(seen, { timeout: 10_000 }).toEqual([...pods, ...pods.map((pod) => `${pod}.yaml`)].sort());
  expect(await readFile(join(host.root, "run/systemctl.log"), "utf8")).toContain("restart kubelet\n");
}

function membersFile({ clientUrls, peerUrls }: Rehearsal): string {
  const lines = NAMES.map(
    (name, index) => `  - { name: ${name}, peerUrls: ["${peerUrls[index]}"], clientUrls: ["${clientUrls[index]}"], dataDir: /var/lib/etcd }\n`,
  );
  return `members:\n${lines.join("")}`;
}

/** From the lost quorum to health: plans on the first host, saves the plan, copies it to all, and does what it says. */
async function recover(rehearsal: Rehearsal, distro: string): Promise<void> {
  const [first] = [...rehearsal.hosts.values()];
  await writeFile(join(first!.root, "home/members.yaml"), membersFile(rehearsal));
  const plan = `etcdsafe restore latest --repository ${rehearsal.repository} --members members.yaml --distro ${distro} --replace --plan`;
  const text = await first!.do(plan);
  await first!.do(saveCommandIn(text));
  const saved = await readFile(join(first!.root, "home/plan.json"));
  for (const host of rehearsal.hosts.values()) await writeFile(join(host.root, "home/plan.json"), saved);
  const results = await followPlan(text, new Map([...rehearsal.hosts, ...rehearsal.others]));
  // What step 4 is to be compared with: the hash that every restore printed.
  const printed = results.filter(({ step }) => step === 2).map(({ stdout }) => /must .*answer (\d+) /.exec(stdout)?.[1]);
  expect(new Set(printed).size).toBe(1);
  const compared = results.filter(({ step }) => step === 4).flatMap(({ stdout }) => [...stdout.matchAll(/^http\S+, (\d+)/gm)].map(([, hash]) => hash));
  expect(compared).toEqual([printed[0], printed[0], printed[0]]);
  expect(await readFile(join(rehearsal.others.get(WORKER)!.root, "run/systemctl.log"), "utf8")).toBe("restart kubelet\n");
}

async function expectRestored({ etcdctl }: Rehearsal): Promise<void> {
  expect(await etcdctl("get", "--prefix", "--keys-only", "/registry/")).toBe("/registry/pods/kept\n\n");
  const revisions = JSON.parse(await etcdctl("endpoint", "status", "-w", "json")).map(
    ({ Status }: { Status: { header: { revision: number } } }) => Status.header.revision,
  );
  for (const revision of revisions) expect(revision).toBeGreaterThan(1_000_000_000);
}

test("disaster on kubeadm: two of three directories are lost, and what the plan prints brings the control plane back", async () => {
  const start = async (rehearsal: Rehearsal) => {
    for (const [index, host] of [...rehearsal.hosts.values()].entries()) {
      const flags = Object.entries(etcdFlags(rehearsal, index)).map(([flag, value]) => `    - --${flag}=${value}\n`);
      const etcd = `apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec:\n  containers:\n  - command:\n    - etcd\n${flags.join("")}    image: registry.k8s.io/etcd:3.6\n    name: etcd\n${VOLUMES}`;
      await writeFile(join(host.root, "etc/kubernetes/manifests/etcd.yaml"), etcd);
      await startApiServer(host);
    }
  };
  await rehearse(start, async (rehearsal) => {
    for (const name of ["cp2", "cp3"]) await rm(join(rehearsal.hosts.get(name)!.root, "lib/etcd/member"), { recursive: true });
    await recover(rehearsal, "kubeadm");
    await expectRestored(rehearsal);
    for (const host of rehearsal.hosts.values()) {
      await expectPods(host, ["etcd", ...PODS]);
      expect(await host.log()).toContain('"initial-cluster-state":"existing"');
      expect(await host.log()).toMatch(/"quota-[a-z]+-bytes":2147483648/);
    }
  });
}, 180_000);

test("disaster on etcd units: the plan brings them back, with API servers elsewhere", async () => {
  const start = async (rehearsal: Rehearsal) => {
    for (const [index, host] of [...rehearsal.hosts.values()].entries()) {
      const variables = Object.entries(etcdFlags(rehearsal, index)).map(([flag, value]) => `ETCD_${flag.toUpperCase().replaceAll("-", "_")}=${value}\n`);
      await writeFile(join(host.root, "etc/etcd.env"), `${variables.join("")}ETCD_QUOTA_BACKEND_BYTES=8589934592\n`);
      await host.do("systemctl start --no-block etcd");
    }
    await startApiServer(rehearsal.others.get(API_SERVER)!);
  };
  await rehearse(start, async (rehearsal) => {
    for (const name of ["cp1", "cp2"]) {
      const host = rehearsal.hosts.get(name)!;
      await host.do("systemctl stop etcd");
      await rm(join(host.root, "lib/etcd/member"), { recursive: true });
      await mkdir(join(host.root, "lib/etcd"), { recursive: true });
    }
    await recover(rehearsal, "systemd");
    await expectRestored(rehearsal);
    await expectPods(rehearsal.others.get(API_SERVER)!, PODS);
    for (const host of rehearsal.hosts.values()) expect(await host.log()).toMatch(/"initial-cluster-state":"existing".*"quota-[a-z]+-bytes":8589934592/);
    expect(await rehearsal.hosts.get("cp3")!.do("ls /var/lib/etcd")).toMatch(/^member\nmember\.before-restore-\d{8}T\d{6}Z\n$/);
  });
}, 180_000);
