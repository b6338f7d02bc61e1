// What kustomize and Helm make of our files.
import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { provisionHelm } from "../../scripts/provision/helm.ts";
import { provisionKustomize } from "../../scripts/provision/kustomize.ts";
import { outputOf } from "../support/command.ts";
import { blocksOf, sectionOf } from "../support/markdown.ts";
import type { KubernetesObject } from "./kubernetes-api.ts";

export const PAGE = "kubernetes.md";
export const CONFIG: string = fileURLToPath(new URL("../../config", import.meta.url));

/** The objects of a directory with a kustomization. */
export async function kustomized(directory: string): Promise<KubernetesObject[]> {
  return objectsIn(await outputOf(await provisionKustomize(), ["build", directory]));
}

/** The objects of a kustomization as an operator writes it: paths that begin with `etcdsafe/` lead to the checkout. */
export async function kustomizedText(kustomization: string, directory: string): Promise<KubernetesObject[]> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "kustomization.yaml"), kustomization.replaceAll("- etcdsafe/config/", `- ${relative(directory, CONFIG)}/`));
  return kustomized(directory);
}

/** The objects of the chart with these values, YAML. */
export async function helmed(values: string, directory: string): Promise<KubernetesObject[]> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "values.yaml"), values);
  const homes = Object.fromEntries(["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"].map((name) => [name, join(directory, "helm")]));
  const args = ["template", "etcdsafe", join(CONFIG, "helm/etcdsafe"), "--namespace", "etcdsafe", "--kube-version", "1.36.0"];
  return objectsIn(await outputOf(await provisionHelm(), [...args, "--values", join(directory, "values.yaml")], { env: { ...process.env, ...homes } }));
}

/** Of a stream of documents, read as Kubernetes does: YAML 1.1, where 0440 is octal. */
function objectsIn(text: string): KubernetesObject[] {
  return parseAllDocuments(text, { version: "1.1" }).flatMap((document) => {
    const [fault] = "errors" in document ? document.errors : [];
    if (fault !== undefined) throw fault;
    const object = document.toJS() as KubernetesObject | null;
    return object === null ? [] : [object];
  });
}

/** The kustomization of the page. */
export const documentedKustomization = (): string => blocksOf(sectionOf(PAGE, "Install"), "yaml")[0]!;

/** The Secrets of the page: of each key the file that its content is read from. */
export function documentedSecrets(): Record<string, Record<string, string>> {
  const commands = ["Secrets", "Restore"].flatMap((heading) => blocksOf(sectionOf(PAGE, heading), "sh")).join("\n");
  const secrets = [...commands.matchAll(/create secret generic (\S+)((?: --from-file=\S+)+)$/gm)];
  return Object.fromEntries(
    secrets.map(([, name, files]) => [name!, Object.fromEntries([...files!.matchAll(/--from-file=(\S+?)=(\S+)/g)].map(([, key, file]) => [key!, file!]))]),
  );
}
