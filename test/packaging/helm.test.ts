// The chart makes the objects that kustomize makes of config/kubernetes, for every way to etcd and to the store, and refuses values that it does not know.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
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

/** With what is a set in no particular order: objects, and whatever has a name or is mounted somewhere. */
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
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, sorted(field)]));
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
  test.each(["s3-keys", "aws", "google", "azure"])("and %s, with and without all else: chart and kustomization are equal", async (access) => {
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
  });
});

test("the page's patch puts another role into the ServiceAccount, as the value does", async () => {
  const patch = blocksOf(sectionOf(PAGE, "Install"), "yaml")[1]!;
  const objects = await kustomize(withInstead(documentedKustomization(), { "components/s3-keys": "components/aws" }) + patch);
  const identity = /value: (arn:\S+)/.exec(patch)![1]!;
  expect(identity).not.toBe(IDENTITIES["aws"]);
  expect(normalised(objects)).toEqual(normalised(await chart({ ...documentedValues(), store: { access: "aws", identity } })));
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

test.each([
  [{ store: { acces: "aws" } }, /acces/],
  [{ etcd: { certificate: "talos" } }, /certificate/],
  [{ config: { ETCDSAFE_NOTIFY: "https://hooks.example.org/secret" } }, /config/],
  [{ config: { AWS_SECRET_ACCESS_KEY: "secret" } }, /config/],
  [{ save: { schedule: "hourly" } }, /schedule/],
  [{ agent: { enabled: true, replicas: 0 } }, /replicas/],
])("values that are wrong are refused: %j", async (wrong, named) => {
  await expect(chart({ ...documentedValues(), ...wrong })).rejects.toThrow(named);
});
