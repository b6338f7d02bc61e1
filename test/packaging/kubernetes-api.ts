// Whether an object is one that Kubernetes' API takes, by its own description of it (OpenAPI 2) and by the Prometheus Operator's definitions of its resources, as strictly as
// `kubectl apply` asks: a field that is not known is wrong.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { provisionKubernetesApi, provisionPrometheusOperatorApi } from "../../scripts/provision/kustomize.ts";

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: its shape is what the schema says.
  readonly [field: string]: any;
}

interface Schema {
  readonly type?: "string" | "integer" | "number" | "boolean" | "object" | "array";
  readonly format?: string;
  readonly $ref?: string;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-group-version-kind"?: readonly { group: string; version: string; kind: string }[];
}

/** Pod specs have the quantities of resources as plain strings there: apimachinery `pkg/api/resource/quantity.go`. */
const QUANTITY = /^[+-]?\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE]\d+)?$/;

/** Gives what is wrong with an object, one line for each place. */
export async function apiJudge(): Promise<(object: KubernetesObject) => string[]> {
  const { definitions } = JSON.parse(await readFile(await provisionKubernetesApi(), "utf8")) as { definitions: Readonly<Record<string, Schema>> };
  const byKind = new Map<string, Schema>();
  for (const schema of Object.values(definitions)) {
    for (const { group, version, kind } of schema["x-kubernetes-group-version-kind"] ?? [])
      byKind.set(`${group === "" ? "" : `${group}/`}${version} ${kind}`, schema);
  }
  for (const name of CUSTOM) for (const [kind, schema] of await customResources(name)) byKind.set(kind, schema);
  return (object) => {
    const schema = byKind.get(`${object.apiVersion} ${object.kind}`);
    return schema === undefined ? [`${object.apiVersion} ${object.kind} is not known`] : [...faults(object, schema, object.kind, definitions)];
  };
}

/** The Prometheus Operator's, of those that it defines. */
const CUSTOM = ["servicemonitors", "prometheusrules"] as const;

interface CustomResourceDefinition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** By `GROUP/VERSION KIND`. Of metadata a definition says nothing: it is that of all objects. */
async function customResources(name: (typeof CUSTOM)[number]): Promise<[string, Schema][]> {
  const path = join(await provisionPrometheusOperatorApi(), `monitoring.coreos.com_${name}.yaml`);
  const { spec } = parse(await readFile(path, "utf8")) as CustomResourceDefinition;
  const metadata = { $ref: "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };
  return spec.versions.map(({ name: version, schema: { openAPIV3Schema: schema } }) => [
    `${spec.group}/${version} ${spec.names.kind}`,
    { ...schema, properties: { ...schema.properties, metadata } },
  ]);
}

function* faults(value: unknown, schema: Schema, place: string, definitions: Readonly<Record<string, Schema>>): Generator<string> {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace("#/definitions/", "");
    if (name.endsWith(".Quantity")) {
      if (!QUANTITY.test(String(value))) yield `${place}: ${value} is no quantity`;
    } else yield* faults(value, definitions[name]!, place, definitions);
    return;
  }
  const isEither = schema.format === "int-or-string" || schema["x-kubernetes-int-or-string"] === true;
  if (isEither ? !["string", "number"].includes(typeof value) : !isOfType(value, schema)) yield `${place}: not of type ${schema.type}`;
  else if (schema.enum !== undefined && !schema.enum.includes(value)) yield `${place}: ${value} is none of ${schema.enum.join(", ")}`;
  else if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value))) yield `${place}: ${value} does not match ${schema.pattern}`;
  else if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* faults(item, schema.items!, `${place}[${index}]`, definitions);
  else if (typeof value === "object" && value !== null) {
    for (const name of schema.required ?? []) if (!(name in value)) yield `${place}: ${name} is missing`;
    for (const [name, field] of Object.entries(value)) {
      const known = schema.properties?.[name] ?? schema.additionalProperties;
      if (known !== undefined) yield* faults(field, known, `${place}.${name}`, definitions);
      else if (schema.properties !== undefined) yield `${place}: ${name} is not known`;
    }
  }
}

function isOfType(value: unknown, { type }: Schema): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === undefined || type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
