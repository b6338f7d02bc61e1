// The chart makes the objects that kustomize makes of config/kubernetes, for every way to etcd and to the store, and refuses values that it does not know.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { provisionHelm } from "../../scripts/provision/helm.ts";
import { parseSchedule } from "../../src/agent/schedule.ts";
import { optionSpec, optionsOf, variableOf } from "../../src/config/options.ts";
import { outputOf } from "../support/command.ts";
import { blocksOf, sectionOf, withInstead } from "../support/markdown.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { CONFIG, documentedKustomization, helmed, kustomizedText, PAGE } from "./kubernetes.ts";
import { apiJudge, type KubernetesObject } from "./kubernetes-api.ts";

const directory = await temporaryDirectory("helm");
let judge: (object: KubernetesObject) => string[];
let rendered = 0;
beforeAll(async () => {
  judge = await apiJudge();
});
afterAll(() => directory.remove());

const documentedValues = (): Record<string, Record<string, unknown>> => parse(blocksOf(sectionOf(PAGE, "With Helm"), "yaml")[0]!);
const chart = (values: object) => helmed(stringify(values), join(directory.path, `helm-${++rendered}`));
const kustomize = (text: string) => kustomizedText(text, join(directory.path, `kustomize-${++rendered}`));

/** Where Helm alone notes what the ConfigMap was. */
const CHECKSUM = "checksum/config";

/** With what is a set in no particular order: objects, and whatever has a name or is mounted somewhere; without the checksum, and annotations where there are none. */
function normalised(objects: readonly KubernetesObject[]): unknown[] {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      const keyOf = (item: { mountPath?: string; name?: string }) => item?.mountPath ?? item?.name;
      const items = value.map(sorted);
      return items.every((item) => keyOf(item as object) !== undefined)
        ? items.toSorted((a, b) => (keyOf(a as object)! < keyOf(b as object)! ? -1 : 1))
        : items;
    }
    if (typeof value !== "object" || value === null) return value;
    const fields = Object.entries(value).flatMap(([name, field]) => (name === CHECKSUM ? [] : [[name, sorted(field)] as const]));
    return Object.fromEntries(fields.filter(([name, field]) => name !== "annotations" || Object.keys(field as object).length > 0));
  };
  return objects.map((object) => sorted(object)).toSorted((a, b) => (idOf(a as KubernetesObject) < idOf(b as KubernetesObject) ? -1 : 1));
}

const idOf = ({ kind, metadata }: KubernetesObject) => `${kind} ${metadata.name}`;

test("the chart makes of the page's values what kustomize makes of the page's kustomization", async () => {
  const objects = await chart(documentedValues());
  for (const object of objects) expect(judge(object), idOf(object)).toEqual([]);
  expect(normalised(objects)).toEqual(normalised(await kustomize(documentedKustomization())));
});

const IDENTITIES: Readonly<Record<string, string>> = {
  aws: "arn:aws:iam::111122223333:role/etcdsafe",
  google: "etcdsafe@example-project.iam.gserviceaccount.com",
  azure: "00000000-0000-0000-0000-000000000000",
};

describe.each(["external-etcd", "kubeadm", "k3s"])("overlay %s", (overlay) => {
  // In the host's network there is no identity of Google's.
  test.each(overlay === "external-etcd" ? ["s3-keys", "aws", "google", "azure"] : ["s3-keys", "aws", "azure"])(
    "and %s, with and without all else: chart and kustomization are equal",
    async (access) => {
      for (const all of [false, true]) {
        const components = [access, ...(all ? ["prune", "reporting", "age-identity", "agent", "prometheus-operator"] : [])];
        const text = withInstead(documentedKustomization(), {
          "overlays/external-etcd": `overlays/${overlay}`,
          "  - etcdsafe/config/kubernetes/components/s3-keys\n": components.map((name) => `  - etcdsafe/config/kubernetes/components/${name}\n`).join(""),
        });
        const values = {
          ...documentedValues(),
          etcd: { certificate: overlay === "external-etcd" ? "secret" : overlay },
          store: { access, identity: IDENTITIES[access] ?? "" },
          save: { prune: all },
          verify: { ageIdentity: all },
          reporting: all,
          agent: { enabled: all },
          prometheusOperator: { enabled: all },
        };
        const objects = await chart(values);
        for (const object of objects) expect(judge(object), idOf(object)).toEqual([]);
        expect(normalised(objects)).toEqual(normalised(await kustomize(text)));
      }
    },
  );
});

test("the page's patch puts another role into the ServiceAccount, as the value does", async () => {
  const patch = blocksOf(sectionOf(PAGE, "Install"), "yaml")[1]!;
  const objects = await kustomize(withInstead(documentedKustomization(), { "components/s3-keys": "components/aws" }) + patch);
  const identity = /value: (arn:\S+)/.exec(patch)![1]!;
  expect(identity).not.toBe(IDENTITIES["aws"]);
  expect(normalised(objects)).toEqual(normalised(await chart({ ...documentedValues(), store: { access: "aws", identity } })));
});

test("the page's patch takes the role out for EKS Pod Identity, as an empty value does", async () => {
  const patch = blocksOf(sectionOf(PAGE, "Install"), "yaml")[2]!;
  const objects = await kustomize(withInstead(documentedKustomization(), { "components/s3-keys": "components/aws" }) + patch);
  expect(JSON.stringify(objects)).not.toContain("eks.amazonaws.com");
  expect(normalised(objects)).toEqual(normalised(await chart({ ...documentedValues(), store: { access: "aws" } })));
});

test("another port, registry, authority or digest: the page's values make what its patches do", async () => {
  const section = sectionOf(PAGE, "Another port, registry or authority");
  const [patches, values] = blocksOf(section, "yaml") as [string, string];
  const literals = [...section.matchAll(/`(ETCDSAFE_\w+)=(\S+)`/g)].map(([, name, value]) => [name!, value!] as const);
  expect(literals.length).toBe(2);
  const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
  const objects = await kustomize(
    withInstead(documentedKustomization(), {
      "newTag: 0.1.0": `digest: ${digest}`,
      "      - ETCDSAFE_CLUSTER=": `${literals.map(([name, value]) => `      - ${name}=${value}\n`).join("")}      - ETCDSAFE_CLUSTER=`,
    }) + patches,
  );
  for (const object of objects) expect(judge(object), idOf(object)).toEqual([]);
  const config = { ...documentedValues()["config"], ...Object.fromEntries(literals) };
  const image = { ...documentedValues()["image"], digest };
  const made = await chart({ ...documentedValues(), ...parse(values), config, image });
  expect(made.find(({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === "etcdsafe")!["spec"].egress).toContainEqual({
    ports: [{ protocol: "TCP", port: 9000 }],
  });
  expect(made.find(({ kind }) => kind === "Deployment")!["spec"].template.spec.containers[0].image).toBe(`registry.example.org/etcdsafe@${digest}`);
  expect(normalised(made)).toEqual(normalised(objects));
});

test("other variables are other Pods of the agent, which take them when they start", async () => {
  const noteOf = async (config: object) => {
    const deployment = (await chart({ ...documentedValues(), config: { ...documentedValues()["config"], ...config } })).find(
      ({ kind }) => kind === "Deployment",
    )!;
    return deployment["spec"].template.metadata.annotations[CHECKSUM];
  };
  const before = await noteOf({});
  expect(before).toMatch(/^[0-9a-f]{64}$/);
  expect(await noteOf({})).toBe(before);
  expect(await noteOf({ ETCDSAFE_CLUSTER: "other" })).not.toBe(before);
});

test("the page's values for an agent and for Prometheus make what its kustomization does, by the labels that Prometheus looks for", async () => {
  const [components, patch] = blocksOf(sectionOf(PAGE, "The agent"), "yaml") as [string, string];
  const objects = await kustomize(
    withInstead(documentedKustomization(), { "components:\n  - etcdsafe/config/kubernetes/components/s3-keys\n": components }) + patch,
  );
  const values = parse(blocksOf(sectionOf(PAGE, "The agent"), "yaml")[2]!);
  const made = await chart({ ...documentedValues(), ...values });
  for (const kind of ["ServiceMonitor", "PrometheusRule"])
    expect(made.find((object) => object.kind === kind)!.metadata.labels).toMatchObject(values.prometheusOperator.labels);
  expect(normalised(made)).toEqual(normalised(objects));
});

test("an agent of a schedule and number of its own", async () => {
  const values = { ...documentedValues(), save: { schedule: "*/5 * * * *", prune: true }, agent: { enabled: true, replicas: 3, pruneSchedule: "0 6 * * 0" } };
  const { spec } = (await chart(values)).find(({ kind }) => kind === "Deployment")!;
  expect(spec.replicas).toBe(3);
  expect(spec.template.spec.containers[0].args).toEqual(
    expect.arrayContaining(["--save-schedule=*/5 * * * *", "--verify-schedule=37 3 * * *", "--prune-schedule=0 6 * * 0"]),
  );
});

test("every overlay and component is one that is compared, and the page tells of it", async () => {
  const page = sectionOf(PAGE, "Install");
  const named = [...page.matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name!);
  const inDirectory = (name: string) => readdir(join(CONFIG, "kubernetes", name));
  const shared = ["etcd-secret"]; // A part of external-etcd.
  expect(named.toSorted()).toEqual(
    [...(await inDirectory("overlays")), ...(await inDirectory("components"))].filter((name) => !shared.includes(name)).toSorted(),
  );
});

const SCHEMA = JSON.parse(await readFile(join(CONFIG, "helm/etcdsafe/values.schema.json"), "utf8"));

test("a variable of etcdsafe's may be any option of the manifests' commands but what is a secret, what a value says, and what the probes could not follow", () => {
  const elsewhere = ["save-schedule", "verify-schedule", "prune-schedule", "listen-cert", "listen-key"];
  const options = (["save", "verify", "restore", "agent"] as const).flatMap((command) => optionsOf(command));
  const open = options.filter((name) => !["secret", "hook"].includes(optionSpec(name).kind) && !elsewhere.includes(name));
  expect(SCHEMA.definitions.option.enum).toEqual([...new Set(open.map(variableOf))].toSorted());
});

test("the page's upgrade is one that Helm knows, with the options that it has instead of --reuse-values", async () => {
  const section = sectionOf(PAGE, "With Helm");
  const command = blocksOf(section, "sh").find((block) => block.startsWith("helm upgrade "))!;
  expect(section).toMatch(/Not with `--reuse-values`: .* the schema refuses that/);
  const help = await outputOf(await provisionHelm(), ["upgrade", "--help"]);
  for (const option of [...command.matchAll(/ (--[\w-]+)/g), ...section.matchAll(/`(--re[\w-]+)`/g)].map(([, name]) => name!))
    expect(help).toContain(`${option} `);
  // The values of a former chart, which had none of it.
  await expect(chart({ ...documentedValues(), networkPolicy: null })).rejects.toThrow("missing property 'networkPolicy'");
});

test("a schedule is written as the agent and Kubernetes understand it; the page says what the agent alone finds out", () => {
  const pattern = new RegExp(SCHEMA.definitions.schedule.pattern);
  for (const text of ["7 * * * *", "*/5 * * * *", "0,30 8-18/2 1,15 1-12 1-5", "59 23 31 12 6", "0-59/7 00 01 01 0", "7 * * JAN,jul MON-FRI"]) {
    expect(text).toMatch(pattern);
    expect(() => parseSchedule("--save-schedule", text, "UTC"), text).not.toThrow();
  }
  for (const text of [
    ...[
      "99 99 99 99 99",
      "a b c d e",
      "MON * * * *",
      "* * * MON *",
      "* * * * JAN",
      "60 * * * *",
      "* 24 * * *",
      "* * 0 * *",
      "* * 32 * *",
      "* * * 0 *",
      "* * * 13 *",
      "* * * * 7",
    ],
    ...["hourly", "@hourly", "* * * *", "* * * * * *", "7  * * * *", "*/0 * * * *", "1- * * * *", "5/ * * * *", "", "TZ=UTC 7 * * * *"],
  ])
    expect(text).not.toMatch(pattern);
  for (const text of ["0 0 31 2 *", "5-1 * * * *"]) {
    expect(sectionOf(PAGE, "With Helm")).toContain(`\`${text}\``);
    expect(text).toMatch(pattern);
    expect(() => parseSchedule("--save-schedule", text, "UTC"), text).toThrow();
  }
});

/** And what the refusal has to name. */
const REFUSED: readonly (readonly [wrong: object, named: readonly string[]])[] = [
  [
    {
      store: { acces: "aws" },
      etcd: { certificate: "talos" },
      save: { schedule: "hourly" },
      verify: { schedule: "99 99 99 99 99" },
      agent: { replicas: 0 },
      image: { repository: "etcdsafe:0.1.0", tag: "sha256:abc", digest: "abc" },
      imagePullSecrets: ["registry"],
      networkPolicy: { egress: [] },
    },
    [
      "'acces'",
      "/etcd/certificate",
      "/save/schedule",
      "/verify/schedule",
      "/agent/replicas",
      "/image/repository",
      "/image/tag",
      "/image/digest",
      "/imagePullSecrets/0",
      "'egress'",
    ],
  ],
  [
    {
      config: {
        ETCDSAFE_REPOSITRY: "s3://backups/etcd",
        ETCDSAFE_REPOSITORY: "backups/etcd",
        ETCDSAFE_NOTIFY: "https://hooks.example.org/secret",
        ETCDSAFE_PASSWORD: "secret",
        ETCDSAFE_USER: "root:secret",
        ETCDCTL_USER: "root:secret",
        ETCDSAFE_LISTEN: ":9999",
        ETCDSAFE_LISTEN_CERT: "/etc/etcdsafe/listen.crt",
        ETCDSAFE_SAVE_SCHEDULE: "@hourly",
        ETCDSAFE_PUSHGATEWAY: "http://user:secret@pushgateway:9091",
        HTTPS_PROXY: "http://user:secret@proxy:3128",
        AWS_SECRET_ACCESS_KEY: "secret",
        AWS_SESSION_TOKEN: "secret",
        AZURE_STORAGE_SAS_TOKEN: "secret",
        AZURE_CLIENT_SECRET: "secret",
        AZURE_STORAGE_KEY: "secret",
        AZURE_STORAGE_CONNECTION_STRING: "secret",
      },
    },
    [
      ...["REPOSITRY", "NOTIFY", "PASSWORD", "LISTEN_CERT", "SAVE_SCHEDULE"].map((name) => `'ETCDSAFE_${name}'`),
      ...["REPOSITORY", "USER", "LISTEN", "PUSHGATEWAY"].map((name) => `'/config/ETCDSAFE_${name}'`),
      ...["'ETCDCTL_USER'", "'/config/HTTPS_PROXY'", "'AWS_SECRET_ACCESS_KEY'", "'AWS_SESSION_TOKEN'"],
      ...["STORAGE_SAS_TOKEN", "CLIENT_SECRET", "STORAGE_KEY", "STORAGE_CONNECTION_STRING"].map((name) => `'AZURE_${name}'`),
    ],
  ],
  // kubelet asks a Pod at its own address.
  [{ config: { ETCDSAFE_LISTEN: "127.0.0.1:9379" } }, ["'/config/ETCDSAFE_LISTEN'"]],
  [{ config: { proxy: "http://proxy:3128" } }, ["'proxy'"]],
  [
    {
      config: {
        HOOK: "https://example.org/?token=secret",
        ACCOUNT: "https://example.org/?sv=1&sig=secret",
        OBJECT: "https://example.org/?X-Amz-Signature=secret",
      },
    },
    ["'/config/HOOK'", "'/config/ACCOUNT'", "'/config/OBJECT'"],
  ],
  // Each of them would let everything through, or nothing that is meant.
  [
    {
      networkPolicy: {
        extraEgress: [{}, { port: 9000 }, { ports: [] }, { ports: [{}] }, { ports: [{ port: 9000, protocol: "http" }] }, { ports: [{ prot: "TCP" }] }],
      },
    },
    ["0", "1", "2/ports", "3/ports/0", "4/ports/0/protocol", "5/ports/0"].map((place) => `'/networkPolicy/extraEgress/${place}'`),
  ],
  [{ store: { access: "google" }, etcd: { certificate: "kubeadm" } }, ["'/etcd/certificate'"]],
  [{ prometheusOperator: { labels: { "app.kubernetes.io/name": "monitored" } } }, ["'app.kubernetes.io/name'"]],
  [{ agent: null, save: { schedule: null } }, ["missing property 'agent'", "missing property 'schedule'"]],
];

test("values that are wrong are refused, each by its name", async () => {
  for (const [wrong, named] of REFUSED) {
    const refusal = await chart({ ...documentedValues(), ...wrong }).then(
      () => "",
      (error: Error) => error.message,
    );
    for (const name of named) expect(refusal).toContain(name);
  }
});

test.each([":9379", "0.0.0.0:9379", "[::]:9379"])("an agent's Pod may listen at %s", async (address) => {
  const objects = await chart({ ...documentedValues(), config: { ...documentedValues()["config"], ETCDSAFE_LISTEN: address } });
  expect(objects.find(({ kind }) => kind === "ConfigMap")!["data"].ETCDSAFE_LISTEN).toBe(address);
});

test("what the page advises is not refused: an agent that is asked on a node, a proxy, a file of authorities", async () => {
  const proxies = { HTTPS_PROXY: "http://proxy:3128", https_proxy: "http://proxy:3128", http_proxy: "http://proxy:3128", no_proxy: "10.0.0.1" };
  const config = { ETCDSAFE_LISTEN: ":9379", ...proxies, NODE_EXTRA_CA_CERTS: "/etc/etcdsafe/ca.crt", AWS_REGION: "eu-central-1" };
  const objects = await chart({ ...documentedValues(), etcd: { certificate: "k3s" }, agent: { enabled: true }, config });
  expect(objects.find(({ kind }) => kind === "ConfigMap")!["data"]).toMatchObject(config);
});
