// kustomize: one the user names, else built once from tools/kustomize as the etcd binaries are. And what the APIs of Kubernetes and the Prometheus Operator take, by which is
// judged what it renders.
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { provisionGoTools } from "./go-tools.ts";
import { ProvisionError } from "./provision-error.ts";

const KUBERNETES = "k8s.io/kubernetes";
const PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator";
const DOWNLOAD_LIMIT_MS = 5 * 60_000;
let known: Promise<string> | undefined;

/** Absolute path of the binary; rejects with a ProvisionError whose message says how to get it. */
export function provisionKustomize(): Promise<string> {
  known ??= find();
  return known;
}

/** The path of Kubernetes' own description of its API, OpenAPI 2: of the version in tools/kustomize/kubernetes-api. Rejects with a ProvisionError. */
export async function provisionKubernetesApi(): Promise<string> {
  return join(await sourceOf(KUBERNETES, "kubernetes-api", "the API of Kubernetes"), "api/openapi-spec/swagger.json");
}

/** The directory of the Prometheus Operator's custom resource definitions: of the version in tools/kustomize/prometheus-operator-api. Rejects with a ProvisionError. */
export async function provisionPrometheusOperatorApi(): Promise<string> {
  return join(await sourceOf(PROMETHEUS_OPERATOR, "prometheus-operator-api", "the API of the Prometheus Operator"), "example/prometheus-operator-crd");
}

/** The source of a Go module that is required in that directory of tools/kustomize. */
async function sourceOf(module: string, directory: string, label: string): Promise<string> {
  const cwd = fileURLToPath(new URL(`../../tools/kustomize/${directory}`, import.meta.url));
  const env = { ...process.env, GOWORK: "off", GOFLAGS: "-mod=readonly" };
  const { stdout } = await promisify(execFile)("go", ["mod", "download", "-json", module], { cwd, env, timeout: DOWNLOAD_LIMIT_MS }).catch((error: Error) => {
    throw new ProvisionError(`${label} was not found: "go mod download ${module}" in tools/kustomize/${directory} failed: ${error.message}`);
  });
  return JSON.parse(stdout).Dir;
}

async function find(): Promise<string> {
  const named = process.env["ETCDSAFE_KUSTOMIZE"];
  if (named === undefined) return (await provisionGoTools(TOOLS)).kustomize;
  const usable = await access(named, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (usable) return named;
  throw new ProvisionError(`ETCDSAFE_KUSTOMIZE=${named} is no executable; unset it to have kustomize built.`);
}

const TOOLS = {
  label: "kustomize",
  cacheName: "kustomize",
  moduleDirectory: fileURLToPath(new URL("../../tools/kustomize", import.meta.url)),
  packages: { kustomize: "sigs.k8s.io/kustomize/kustomize/v5" },
  otherWay: "set ETCDSAFE_KUSTOMIZE to a kustomize binary, version 5",
};
