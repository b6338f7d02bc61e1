// The agent of config/kubernetes: its Deployment gives it what the CronJobs give their runs, and is run on a real etcd and a real S3 server; what asks it finds it.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { expectEnd } from "../support/guarded-etcd.ts";
import { rowsOf, sectionOf } from "../support/markdown.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { nodeFiles, objectNamed, runCronJob, type Surroundings, startDeployment } from "./kubelet.ts";
import { CONFIG, PAGE } from "./kubernetes.ts";
import type { KubernetesObject } from "./kubernetes-api.ts";
import { type Installation, startSurroundings } from "./surroundings.ts";

const AGENT = ["agent", "prometheus-operator"];
const ALL = [...AGENT, "prune", "reporting", "age-identity"];
const NAME = "etcdsafe-agent";
const UP_LIMIT_MS = 40_000;
const REQUEST_LIMIT_MS = 5_000;
const directory = await temporaryDirectory("kubernetes-agent");
const path = (name: string) => join(directory.path, name);
let around: Installation;

beforeAll(async () => {
  around = await startSurroundings(directory.path, { size: 1 });
});
afterAll(async () => {
  await around?.stop();
  await directory.remove();
});

/** The Pod that a CronJob or the Deployment makes. */
// biome-ignore lint/suspicious/noExplicitAny: the schema has been held against it, by kubernetes.test.ts.
function podOf(objects: readonly KubernetesObject[], kind: "CronJob" | "Deployment", name: string): any {
  const { spec } = objectNamed(objects, kind, name);
  return kind === "Deployment" ? spec.template.spec : spec.jobTemplate.spec.template.spec;
}

interface Named {
  readonly name: string;
}

/** Those of the save and those of the verification, by name. */
const both = (...lists: readonly (readonly Named[] | undefined)[]) =>
  [...new Map(lists.flatMap((list) => list ?? []).map((each) => [each.name, each])).values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));

describe.each(["external-etcd", "kubeadm", "k3s"])("overlay %s", (overlay) => {
  test("an agent has what a save and a verification have, and nothing else; its schedules are theirs", async () => {
    const objects = await around.objects("s3://backups/etcd", overlay, ALL);
    const [agent, save, verify] = [
      podOf(objects, "Deployment", NAME),
      podOf(objects, "CronJob", "etcdsafe-save"),
      podOf(objects, "CronJob", "etcdsafe-verify"),
    ];
    const shared = [
      "serviceAccountName",
      "automountServiceAccountToken",
      "enableServiceLinks",
      "securityContext",
      "hostNetwork",
      "dnsPolicy",
      "nodeSelector",
      "tolerations",
    ];
    for (const field of shared) expect(agent[field], field).toEqual(save[field]);
    const [container, saves, verifies] = [agent.containers[0], save.containers[0], verify.containers[0]];
    for (const field of ["image", "envFrom", "securityContext", "terminationMessagePolicy"]) expect(container[field], field).toEqual(saves[field]);
    for (const field of ["env", "volumeMounts"]) expect(both(container[field]), field).toEqual(both(saves[field], verifies[field]));
    const withoutSpool = (volumes: readonly Named[]) => volumes.filter(({ name }) => name !== "spool");
    expect(both(withoutSpool(agent.volumes))).toEqual(both(withoutSpool(save.volumes), withoutSpool(verify.volumes)));
    // A save and a verification may run at once.
    const spoolOf = (pod: { volumes: { name: string; emptyDir?: { sizeLimit: string } }[] }) =>
      Number.parseInt(pod.volumes.find(({ name }) => name === "spool")!.emptyDir!.sizeLimit, 10);
    expect(spoolOf(agent)).toBe(spoolOf(save) + spoolOf(verify));
    expect(Number.parseInt(container.resources.limits["ephemeral-storage"], 10)).toBeGreaterThan(spoolOf(agent));
    const schedules = Object.fromEntries(["save", "verify"].map((kind) => [kind, objectNamed(objects, "CronJob", `etcdsafe-${kind}`)["spec"].schedule]));
    expect(container.args).toEqual([
      "agent",
      `--save-schedule=${schedules["save"]}`,
      `--verify-schedule=${schedules["verify"]}`,
      ...saves.args.filter((arg: string) => arg.startsWith("--deadline=")),
      "--prune-schedule=52 4 * * *",
    ]);
    expect(agent.terminationGracePeriodSeconds).toBe(30);
  });

  test("who asks reaches it: kubelet at its probes, Prometheus by ServiceMonitor, Service and NetworkPolicy; on a node, kubelet alone", async () => {
    const objects = await around.objects("s3://backups/etcd", overlay, AGENT);
    const { spec: deployment } = objectNamed(objects, "Deployment", NAME);
    const service = objectNamed(objects, "Service", NAME);
    const monitor = objectNamed(objects, "ServiceMonitor", NAME);
    const policy = objectNamed(objects, "NetworkPolicy", NAME);
    const { labels } = deployment.template.metadata;
    for (const selector of [deployment.selector.matchLabels, service["spec"].selector, policy["spec"].podSelector.matchLabels])
      expect(labels).toMatchObject(selector);
    expect(service.metadata.labels).toMatchObject(monitor["spec"].selector.matchLabels);
    // Of Jobs' Pods nobody is to ask anything.
    for (const kind of ["save", "verify", "restore", "pre-upgrade"])
      expect(service["spec"].selector).not.toMatchObject({ "app.kubernetes.io/component": kind });
    const [container] = deployment.template.spec.containers;
    const [port] = container.ports;
    const [answered] = service["spec"].ports;
    expect(answered).toMatchObject({ port: port.containerPort, targetPort: port.name });
    expect(monitor["spec"].endpoints).toMatchObject([{ port: answered.name, path: "/metrics" }]);
    const prometheus = { namespaceSelector: {}, podSelector: { matchLabels: { "app.kubernetes.io/name": "prometheus" } } };
    expect(policy["spec"]).toEqual({
      podSelector: { matchLabels: { "app.kubernetes.io/name": "etcdsafe", "app.kubernetes.io/component": "agent" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [prometheus], ports: [{ protocol: "TCP", port: port.containerPort }] }],
    });
    expect(sectionOf(PAGE, "The agent")).toContain("with the label `app.kubernetes.io/name: prometheus`");
    const isOnNode = overlay !== "external-etcd";
    expect(objectNamed(objects, "ConfigMap", "etcdsafe")["data"].ETCDSAFE_LISTEN).toBe(isOnNode ? `127.0.0.1:${port.containerPort}` : `:${port.containerPort}`);
    for (const probe of [container.livenessProbe, container.readinessProbe]) {
      expect(probe.httpGet.port).toBe(port.name);
      expect(probe.httpGet.host).toBe(isOnNode ? "127.0.0.1" : undefined);
    }
  });

  test("none runs unless it is asked for, and then nothing is saved twice", async () => {
    const without = await around.objects("s3://backups/etcd", overlay);
    expect(objectNamed(without, "Deployment", NAME)["spec"].replicas).toBe(0);
    const objects = await around.objects("s3://backups/etcd", overlay, AGENT);
    const { replicas, strategy } = objectNamed(objects, "Deployment", NAME)["spec"];
    expect([replicas, strategy.rollingUpdate]).toEqual([2, { maxSurge: 0, maxUnavailable: 1 }]);
    for (const { kind, metadata, spec } of objects) if (kind === "CronJob") expect(spec.suspend, metadata.name).toBe(true);
  });
});

test("the rules that Prometheus gets are those of config/alerts.rules.yaml, by kustomize and in the chart", async () => {
  const rules = await readFile(join(CONFIG, "alerts.rules.yaml"), "utf8");
  const objects = await around.objects("s3://backups/etcd", "external-etcd", AGENT);
  expect(objectNamed(objects, "PrometheusRule", "etcdsafe")["spec"]).toEqual(parse(rules));
  expect(await readFile(join(CONFIG, "helm/etcdsafe/alerts.rules.yaml"), "utf8")).toBe(rules);
});

interface Up extends AsyncDisposable {
  /** As kubelet asks for a probe, or Prometheus for its metrics. */
  get(path: string): Promise<{ readonly status: number; readonly text: string }>;
  /** Waits until the answer is so. */
  until(path: string, isSo: (answer: { readonly status: number; readonly text: string }) => boolean): Promise<void>;
  /** Within the manifest's grace period, by SIGTERM. */
  stop(): Promise<void>;
}

let runs = 0;
async function started(objects: readonly KubernetesObject[], other: Partial<Surroundings> = {}): Promise<Up> {
  const [port] = (await claimPorts(1)) as [number];
  const running = await startDeployment(objects, NAME, { secrets: around.secrets, ...other, port }, path(`run-${++runs}`));
  const get = async (at: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${at}`, { signal: AbortSignal.timeout(REQUEST_LIMIT_MS) });
    return { status: answer.status, text: await answer.text() };
  };
  await running.printed(/answers at http/);
  return {
    get,
    until: async (at, isSo) => {
      for (const giveUpAt = performance.now() + UP_LIMIT_MS; ; await sleep(100)) {
        const answer = await get(at);
        if (isSo(answer)) return;
        if (performance.now() > giveUpAt) throw new Error(`${at} did not come to that: ${answer.status} ${answer.text}`);
      }
    },
    stop: async () => {
      const { terminationGracePeriodSeconds } = podOf(objects, "Deployment", NAME);
      const askedAt = performance.now();
      running.signal("SIGTERM");
      expectEnd(await running.finished, 0);
      expect(performance.now() - askedAt).toBeLessThan(terminationGracePeriodSeconds * 1000);
    },
    [Symbol.asyncDispose]: async () => {
      running.signal("SIGKILL");
      await running.finished;
      await releasePorts([port]);
    },
  };
}

const saved = ({ text }: { readonly text: string }) => (JSON.parse(text).catalogue?.total ?? 0) > 0;

test("with all components: it saves, pings, and answers where it is asked; SIGTERM ends it within its grace period", async () => {
  const pings: string[] = [];
  const listener = createServer((request, response) => {
    pings.push(`${request.method} ${request.url}`);
    response.end();
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    const secrets = { ...around.secrets, "etcdsafe-reporting": { heartbeat: `${url}/ping`, notify: `${url}/notify` } };
    const objects = await around.objects(`s3://${await around.server.createBucket()}/etcd`, "external-etcd", ALL);
    await using agent = await started(objects, { secrets });
    const [{ livenessProbe, readinessProbe }] = podOf(objects, "Deployment", NAME).containers;
    expect((await agent.get(livenessProbe.httpGet.path)).status).toBe(200);
    await agent.until("/status", saved);
    await agent.until(readinessProbe.httpGet.path, ({ status, text }) => status === 200 && JSON.parse(text).role === "writer");
    const [{ path: metrics }] = objectNamed(objects, "ServiceMonitor", NAME)["spec"].endpoints;
    const cluster = objectNamed(objects, "ConfigMap", "etcdsafe")["data"].ETCDSAFE_CLUSTER;
    await agent.until(metrics, ({ text }) => text.includes(`etcdsafe_recovery_point_timestamp_seconds{cluster="${cluster}"} `));
    for (const line of [
      `etcdsafe_writer_lease_state{cluster="${cluster}",role="writer"} 1`,
      `etcdsafe_next_run_timestamp_seconds{cluster="${cluster}",action="verify"} `,
      `etcdsafe_next_run_timestamp_seconds{cluster="${cluster}",action="prune"} `,
    ])
      expect((await agent.get(metrics)).text).toContain(line);
    expect(pings).toEqual(expect.arrayContaining([expect.stringMatching(/\/ping\/start/), expect.stringMatching(/\/ping(\?|$)/)]));
    const addresses = rowsOf(sectionOf(PAGE, "The agent")).flatMap(([cell]) => [...cell!.matchAll(/`(\/\w*)`/g)].map(([, address]) => address!));
    expect(addresses).toEqual(expect.arrayContaining(["/", "/status", metrics, livenessProbe.httpGet.path, readinessProbe.httpGet.path]));
    for (const address of addresses) expect((await agent.get(address)).status, address).toBe(200);
    // A Job of the suspended CronJob may save meanwhile, and not prune.
    const byHand = await runCronJob(objects, "etcdsafe-save", { secrets }, path("by-hand"));
    expect(sectionOf(PAGE, "The agent")).toContain("ends with exit code 3 meanwhile: its backup is stored");
    expectEnd(byHand, 3);
    expect(byHand.stdout).toMatch(/^state +proven|^state +unconfirmed/m);
    await agent.stop();
  } finally {
    listener.close();
  }
});

test("on a node of kubeadm's control plane: root without capabilities saves with the node's own certificate", async () => {
  const place = "/etc/kubernetes/pki/etcd/";
  const { cert, key } = around.etcd.certificate("etcdsafe");
  const hostFiles = await nodeFiles(path("node"), {
    [`${place}ca.crt`]: around.etcd.authority.path,
    [`${place}healthcheck-client.crt`]: cert,
    [`${place}healthcheck-client.key`]: key,
  });
  const objects = await around.objects(`s3://${await around.server.createBucket()}/etcd`, "kubeadm", AGENT);
  await using agent = await started(objects, { hostFiles });
  await agent.until("/status", saved);
  await agent.stop();
});
