// config/kubernetes, and docs/kubernetes.md to the letter: what the manifests say is rendered, held against the API, and run on a real etcd and a real S3 server.
import { chmod, mkdir, readdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ERRORS } from "../../src/errors.ts";
import { expectEnd } from "../support/guarded-etcd.ts";
import { blocksOf, rowsOf, sectionOf } from "../support/markdown.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { nodeFiles, objectNamed, runCronJob, type Surroundings } from "./kubelet.ts";
import { CONFIG, kustomized, PAGE } from "./kubernetes.ts";
import { apiJudge, type KubernetesObject } from "./kubernetes-api.ts";
import { type Installation, startSurroundings } from "./surroundings.ts";

const OVERLAYS = (await readdir(join(CONFIG, "kubernetes/overlays"))).toSorted();
const COMPONENTS = ["prune", "reporting", "age-identity"];
const directory = await temporaryDirectory("kubernetes");
const path = (name: string) => join(directory.path, name);
let around: Installation;
let judge: (object: KubernetesObject) => string[];

beforeAll(async () => {
  judge = await apiJudge();
  around = await startSurroundings(directory.path, { size: 3 });
});
afterAll(async () => {
  await around?.stop();
  await directory.remove();
});

let runs = 0;
const run = (objects: readonly KubernetesObject[], name: string, other: Partial<Surroundings> = {}) =>
  runCronJob(objects, name, { secrets: around.secrets, ...other }, path(`run-${++runs}`));

interface PodOf {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the schema has been held against it.
  readonly spec: any;
  // biome-ignore lint/suspicious/noExplicitAny: likewise.
  readonly job: any;
  // biome-ignore lint/suspicious/noExplicitAny: likewise.
  readonly pod: any;
}

const cronJobs = (objects: readonly KubernetesObject[]): PodOf[] =>
  objects
    .filter(({ kind }) => kind === "CronJob")
    .map(({ metadata, spec }) => ({ name: metadata.name, spec, job: spec.jobTemplate.spec, pod: spec.jobTemplate.spec.template.spec }));

const CONTROL_PLANE = { key: "node-role.kubernetes.io/control-plane", operator: "Exists", effect: "NoSchedule" };
/** Where what reads a node's files runs, by overlay. */
const ON_NODES: Readonly<Record<string, { readonly nodeSelector: object; readonly tolerations: readonly object[] }>> = {
  kubeadm: { nodeSelector: { "node-role.kubernetes.io/control-plane": "" }, tolerations: [CONTROL_PLANE] },
  k3s: {
    nodeSelector: { "node-role.kubernetes.io/etcd": "true" },
    tolerations: [
      CONTROL_PLANE,
      { key: "node-role.kubernetes.io/etcd", operator: "Exists", effect: "NoExecute" },
      { key: "CriticalAddonsOnly", operator: "Exists" },
    ],
  },
};

describe.each(OVERLAYS)("overlay %s", (overlay) => {
  test("is what the API takes, with all components too", async () => {
    const plain = await kustomized(join(CONFIG, "kubernetes/overlays", overlay));
    const whole = await around.objects("s3://backups/etcd", overlay, [...COMPONENTS, "agent", "prometheus-operator"]);
    for (const object of [...plain, ...whole]) expect(judge(object), `${object.kind} ${object.metadata.name}`).toEqual([]);
    expect(plain.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted()).toEqual([
      "ConfigMap etcdsafe",
      "CronJob etcdsafe-pre-upgrade",
      "CronJob etcdsafe-restore",
      "CronJob etcdsafe-save",
      "CronJob etcdsafe-verify",
      "Deployment etcdsafe-agent",
      "NetworkPolicy etcdsafe",
      "Service etcdsafe-agent",
      "ServiceAccount etcdsafe",
    ]);
    for (const { metadata } of whole) expect(metadata.namespace).toBe("etcdsafe");
  });

  test("gives no run more than it needs, and none less time than it may take", async () => {
    const objects = await around.objects("s3://backups/etcd", overlay, COMPONENTS);
    for (const { name, spec, job, pod } of cronJobs(objects)) {
      const [container] = pod.containers;
      expect(spec, name).toMatchObject({ concurrencyPolicy: "Forbid", startingDeadlineSeconds: 600, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 3 });
      expect(spec.suspend, name).toBe(/restore|pre-upgrade/.test(name));
      expect(job.podFailurePolicy.rules, name).toEqual([
        { action: "FailJob", onExitCodes: { containerName: "etcdsafe", operator: "In", values: [2, 3, 6, 8, 9, 10] } },
        { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
      ]);
      const seconds = (option: string) =>
        60 * Number(new RegExp(`^--${option}=(\\d+)m$`).exec(container.args.find((arg: string) => arg.startsWith(`--${option}=`)))?.[1] ?? 0);
      expect(job.activeDeadlineSeconds, name).toBeGreaterThan((job.backoffLimit + 1) * (seconds("deadline") + seconds("jitter")) + 30);
      expect(pod, name).toMatchObject({
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        serviceAccountName: "etcdsafe",
      });
      expect(pod.securityContext, name).toMatchObject({ seccompProfile: { type: "RuntimeDefault" }, fsGroup: 65532 });
      expect(container.securityContext, name).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } });
      expect(container.terminationMessagePolicy, name).toBe("FallbackToLogsOnError");
      const fromSecrets = (container.env ?? []).flatMap(({ valueFrom }: { valueFrom?: object }) => valueFrom ?? []);
      const optional = (key: string) => ({ secretKeyRef: { name: "etcdsafe-reporting", key, optional: true } });
      // What is missing, or empty, keeps nothing from running.
      expect(fromSecrets, name).toEqual([
        ...(name === "etcdsafe-restore" ? [] : [optional("notify")]),
        ...(name === "etcdsafe-save" ? [optional("heartbeat")] : []),
      ]);
      expect(container.resources.requests.memory, name).toBe("256Mi");
      expect(pod.volumes.find(({ name: volume }: { name: string }) => volume === "spool").emptyDir.sizeLimit, name).toBe("9Gi");
      const onNode = /save|pre-upgrade/.test(name) ? ON_NODES[overlay] : undefined;
      const { hostNetwork, dnsPolicy, nodeSelector, tolerations } = pod;
      const placed = { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet", ...onNode };
      expect({ hostNetwork, dnsPolicy, nodeSelector, tolerations }, name).toEqual(onNode === undefined ? {} : placed);
      expect(pod.securityContext.runAsUser, name).toBe(onNode === undefined ? 65532 : 0);
      const writable = container.volumeMounts.filter(({ readOnly }: { readOnly?: boolean }) => readOnly !== true);
      expect(writable.map(({ mountPath }: { mountPath: string }) => mountPath).toSorted(), name).toEqual(
        name === "etcdsafe-restore" ? ["/restore", "/tmp"] : ["/tmp"],
      );
      for (const { name: volume, hostPath } of pod.volumes) if (hostPath !== undefined) expect(hostPath.type, `${name} ${volume}`).toBe("File");
    }
    expect(objectNamed(objects, "ServiceAccount", "etcdsafe")).toMatchObject({ automountServiceAccountToken: false });
    expect(objects.some(({ kind }) => /Role/.test(kind))).toBe(false);
  });
});

/** To ports of TCP, and UDP where it is said. */
const toPorts = (ports: readonly (number | { protocol: "UDP"; port: number })[], addresses: readonly string[] = []) => ({
  ...(addresses.length === 0 ? {} : { to: addresses.map((cidr) => ({ ipBlock: { cidr } })) }),
  ports: ports.map((port) => (typeof port === "number" ? { protocol: "TCP", port } : port)),
});

test.each([
  ["s3-keys", []],
  ["aws", [toPorts([80], ["169.254.170.23/32", "fd00:ec2::23/128"])]],
  ["google", [toPorts([80, 988], ["169.254.169.254/32", "169.254.169.252/32"])]],
  ["azure", []],
] as const)("with %s, the network lets through what a run asks, and nothing that asks a run", async (access, cloud) => {
  const { spec } = objectNamed(await around.objects("s3://backups/etcd", "external-etcd", access === "s3-keys" ? [] : [access]), "NetworkPolicy", "etcdsafe");
  expect(spec).toEqual({
    podSelector: { matchLabels: { "app.kubernetes.io/name": "etcdsafe" } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [],
    egress: [toPorts([{ protocol: "UDP", port: 53 }, 53]), toPorts([2379]), toPorts([443]), ...cloud],
  });
});

test("the API's description finds what is wrong", async () => {
  const objects = await kustomized(join(CONFIG, "kubernetes/overlays/external-etcd"));
  const wrong = structuredClone(objectNamed(objects, "CronJob", "etcdsafe-save"));
  wrong["spec"].jobTemplate.spec.podFailurPolicy = {};
  wrong["spec"].concurrencyPolicy = 1;
  wrong["spec"].jobTemplate.spec.template.spec.volumes[0].emptyDir = { sizeLimit: "much" };
  delete wrong["spec"].schedule;
  expect(judge(wrong).toSorted()).toEqual([
    "CronJob.spec.concurrencyPolicy: not of type string",
    "CronJob.spec.jobTemplate.spec.template.spec.volumes[0].emptyDir.sizeLimit: much is no quantity",
    "CronJob.spec.jobTemplate.spec: podFailurPolicy is not known",
    "CronJob.spec: schedule is missing",
  ]);
  expect(judge({ ...wrong, apiVersion: "batch/v1beta1" })).toEqual(["batch/v1beta1 CronJob is not known"]);
  const rule = { alert: "Late", expr: 1, for: "soon", annotation: {} };
  const rules = {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: { name: "late", label: {} },
    spec: { groups: [{ rules: [rule] }] },
  };
  expect(judge(rules).toSorted()).toEqual([
    "PrometheusRule.metadata: label is not known",
    expect.stringMatching(/^PrometheusRule\.spec\.groups\[0\]\.rules\[0\]\.for: soon does not match /),
    "PrometheusRule.spec.groups[0].rules[0]: annotation is not known",
    "PrometheusRule.spec.groups[0]: name is missing",
  ]);
});

test("an external etcd: saved, verified, saved before an upgrade and restored by the commands of the manifests, by the page's Secrets and settings", async () => {
  const objects = await around.objects(`s3://${await around.server.createBucket()}/etcd`);
  const saved = await run(objects, "etcdsafe-save");
  expectEnd(saved, 0);
  expect(saved.stdout).toMatch(/^state +proven/m);
  for (const line of saved.stderr.trim().split("\n")) expect(() => JSON.parse(line), line).not.toThrow();
  expect(saved.terminationMessage).toBe("");
  const verified = await run(objects, "etcdsafe-verify");
  expectEnd(verified, 0);
  const before = await run(objects, "etcdsafe-pre-upgrade");
  expectEnd(before, 0);
  expect(before.stdout).toMatch(/^tags +reason=pre-upgrade$/m);
  expect(before.stdout).toMatch(/ passed +stored-bytes/);
  await mkdir(path("claim"));
  await chmod(path("claim"), 0o777);
  const claims = { "etcdsafe-restore": path("claim") };
  expect(sectionOf(PAGE, "Restore")).toContain("name: etcdsafe-restore");
  expectEnd(await run(objects, "etcdsafe-restore", { claims }), 0);
  expect(await readdir(path("claim/etcd/member"))).toEqual(expect.arrayContaining(["snap", "wal"]));
});

test("what fails ends with a code that the Job does not try again, and says why where Kubernetes looks", async () => {
  const objects = await around.objects("s3://no-such-bucket/etcd");
  const values: number[] = cronJobs(objects)[0]!.job.podFailurePolicy.rules[0].onExitCodes.values;
  const noBucket = await run(objects, "etcdsafe-verify");
  expect(noBucket.exitCode).toBe(8);
  expect(values).toContain(noBucket.exitCode);
  expect(noBucket.terminationMessage).toMatch(/no-such-bucket/);
  const rows = rowsOf(sectionOf(PAGE, "What becomes of a run that fails"));
  expect(rows[1]).toEqual([values.join(", "), "fails at once: the same again would end the same"]);
  const again = rows.filter(([, what]) => /^tries again, (twice|likewise)/.test(what!)).flatMap(([codes]) => codes!.match(/\d+/g)!.map(Number));
  expect(again).toEqual([1, 4, 5, 7, 129, 130, 143, 137]);
  for (const code of again) expect(values).not.toContain(code);
});

test("what is not permitted ends as what cannot be reached does, and says which it is", async () => {
  const objects = await around.objects("s3://backups/etcd");
  const store = { ...around.secrets["etcdsafe-store"], secretAccessKey: "wrong" };
  const denied = await run(objects, "etcdsafe-verify", { secrets: { ...around.secrets, "etcdsafe-store": store } });
  expect(denied).toMatchObject({ exitCode: 5, terminationMessage: expect.stringMatching(/denied|403/i) });
  expect(ERRORS.ETCD_PERMISSION_DENIED.exit).toBe(4);
  expect(sectionOf(PAGE, "What becomes of a run that fails")).toMatch(/with 5 where the store refuses the keys, with 4 where etcd refuses/);
  // Root could make the directory.
  if (process.getuid?.() !== 0) return;
  Object.assign(objectNamed(objects, "ConfigMap", "etcdsafe")["data"], { ETCDSAFE_REPOSITORY: "backups/etcd" });
  expect(await run(objects, "etcdsafe-save")).toMatchObject({ exitCode: 5, terminationMessage: expect.stringMatching(/mkdir|backups\/etcd/) });
});

test("the page's waits end with the Job, also with one that fails: kubectl waits for one condition, and a Job has none before it is over", () => {
  const waits = ["Install", "Before an upgrade"].flatMap((heading) =>
    blocksOf(sectionOf(PAGE, heading), "sh").flatMap((block) => block.match(/^kubectl .* wait .*$/gm) ?? []),
  );
  expect(waits.map((line) => [/--for=(\S+)/.exec(line)![1], /--timeout=(\S+)/.exec(line)![1]])).toEqual([
    ["jsonpath='{.status.conditions[0].type}'", "15m"],
    ["jsonpath='{.status.conditions[0].type}'", "50m"],
    ["condition=complete", "1m"],
  ]);
});

test.each([
  ["kubeadm", "/etc/kubernetes/pki/etcd/", ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"]],
  ["k3s", "/var/lib/rancher/k3s/server/tls/etcd/", ["server-ca.crt", "client.crt", "client.key"]],
] as const)("%s: root without capabilities saves with the node's own certificate, which is root's alone", async (overlay, place, names) => {
  const row = rowsOf(sectionOf(PAGE, "Install")).find(([name]) => name === `\`${overlay}\``)!;
  for (const name of [place, ...names]) expect(row.at(-1)).toContain(`\`${name}\``);
  const { cert, key } = around.etcd.certificate("etcdsafe");
  const hostFiles = await nodeFiles(path(`node-${overlay}`), {
    [place + names[0]]: around.etcd.authority.path,
    [place + names[1]]: cert,
    [place + names[2]]: key,
  });
  const objects = await around.objects(`s3://${await around.server.createBucket()}/etcd`, overlay);
  const withoutEtcd = Object.fromEntries(Object.entries(around.secrets).filter(([name]) => name !== "etcdsafe-etcd"));
  const saved = await run(objects, "etcdsafe-save", { hostFiles, secrets: withoutEtcd });
  expectEnd(saved, 0);
  expect(saved.stdout).toMatch(/^state +proven/m);
  expectEnd(await run(objects, "etcdsafe-verify", { secrets: withoutEtcd }), 0);
  // Nobody else may read it, and the user of all else is nobody in particular.
  if (process.getuid?.() !== 0) return;
  const asOthers = structuredClone(objects);
  Object.assign(cronJobs(asOthers).find(({ name }) => name === "etcdsafe-save")!.pod.securityContext, { runAsUser: 65532, runAsGroup: 65532 });
  const refused = await run(asOthers, "etcdsafe-save", { hostFiles, secrets: withoutEtcd });
  expect(refused).toMatchObject({ exitCode: 2, terminationMessage: expect.stringMatching(/permission denied/) });
});

test("components: the heartbeat is pinged, the identity opens what is verified, and a save removes what the policy does not keep", async () => {
  const pings: string[] = [];
  const listener = createServer((request, response) => {
    pings.push(`${request.method} ${request.url}`);
    response.end();
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    // As they are in a file that ends with a newline.
    const [heartbeat, notify] = [`${url}/ping\n`, `${url}/notify\n`];
    const reporting = (secret: Record<string, string>, others: Surroundings["secrets"] = {}) => ({
      secrets: { ...around.secrets, "etcdsafe-reporting": secret, ...others },
    });
    const objects = await around.objects(`s3://${await around.server.createBucket()}/etcd`, "external-etcd", COMPONENTS);
    Object.assign(objectNamed(objects, "ConfigMap", "etcdsafe")["data"], { ETCDSAFE_KEEP_LAST: "1" });
    // Whom to tell keeps no save from being made: one half of the Secret is missing, or empty.
    expectEnd(await run(objects, "etcdsafe-save", reporting({ heartbeat })), 0);
    const second = await run(objects, "etcdsafe-save", reporting({ heartbeat, notify: "" }));
    expectEnd(second, 0);
    expect(second.stdout).toMatch(/^1 backup removed, 1 kept\.$/m);
    expect(pings.filter((each) => /\/ping\?|\/ping$/.test(each)).length).toBe(2);
    expect(pings.filter((each) => each.includes("/ping/start")).length).toBe(2);
    const page = sectionOf(PAGE, "Secrets");
    expect(page).toContain("Nor does one that holds something else than a URL: the run does what it should, warns, and ends with exit code 3.");
    expectEnd(await run(objects, "etcdsafe-save", reporting({ heartbeat: "heartbeat", notify: "" })), 3);
    expect(blocksOf(page, "sh").at(-1)).toBe("kubectl --namespace etcdsafe describe secret etcdsafe-reporting\n");
    const verified = await run(objects, "etcdsafe-verify", reporting({ heartbeat, notify }));
    expectEnd(verified, 0);
    expect(verified.stdout).toMatch(/structure/);
    const identity = { "identity.txt": await generateX25519Identity() };
    const damaged = await run(objects, "etcdsafe-verify", reporting({ notify }, { "etcdsafe-identity": identity }));
    expect(damaged.exitCode).toBe(10);
    expect(pings.some((each) => each.startsWith("POST /notify"))).toBe(true);
  } finally {
    listener.close();
  }
});
