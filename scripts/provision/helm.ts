// Helm, which renders the chart: one the user names, else built once from tools/helm as the etcd binaries are.
import { access, constants } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { provisionGoTools } from "./go-tools.ts";
import { ProvisionError } from "./provision-error.ts";

let known: Promise<string> | undefined;

/** Absolute path of the binary; rejects with a ProvisionError whose message says how to get it. */
export function provisionHelm(): Promise<string> {
  known ??= find();
  return known;
}

async function find(): Promise<string> {
  const named = process.env["ETCDSAFE_HELM"];
  if (named === undefined) return (await provisionGoTools(TOOLS)).helm;
  const usable = await access(named, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (usable) return named;
  throw new ProvisionError(`ETCDSAFE_HELM=${named} is no executable; unset it to have Helm built.`);
}

const TOOLS = {
  label: "helm",
  cacheName: "helm",
  moduleDirectory: fileURLToPath(new URL("../../tools/helm", import.meta.url)),
  packages: { helm: "helm.sh/helm/v3/cmd/helm" },
  otherWay: "set ETCDSAFE_HELM to a helm binary, version 3",
};
