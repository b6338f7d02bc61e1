// Prometheus' Pushgateway: one the user names, else built once from tools/pushgateway as the etcd binaries are.
import { access, constants } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { provisionGoTools } from "./go-tools.ts";
import { ProvisionError } from "./provision-error.ts";

let known: Promise<string> | undefined;

/** Absolute path of the binary; rejects with a ProvisionError whose message says how to get it. */
export function provisionPushgateway(): Promise<string> {
  known ??= find();
  return known;
}

async function find(): Promise<string> {
  const named = process.env["ETCDSAFE_PUSHGATEWAY_BINARY"];
  if (named === undefined) return (await provisionGoTools(TOOLS)).pushgateway;
  const usable = await access(named, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (usable) return named;
  throw new ProvisionError(`ETCDSAFE_PUSHGATEWAY_BINARY=${named} is no executable; unset it to have the Pushgateway built.`);
}

const TOOLS = {
  label: "pushgateway",
  cacheName: "pushgateway",
  moduleDirectory: fileURLToPath(new URL("../../tools/pushgateway", import.meta.url)),
  packages: { pushgateway: "github.com/prometheus/pushgateway" },
  otherWay: "set ETCDSAFE_PUSHGATEWAY_BINARY to a pushgateway binary",
};
