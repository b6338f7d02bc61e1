// fake-gcs-server, which speaks the JSON API of Google Cloud Storage: one the user names, else built once from tools/fake-gcs-server as the etcd binaries are.
import { access, constants } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { provisionGoTools } from "./go-tools.ts";
import { ProvisionError } from "./provision-error.ts";

let known: Promise<string> | undefined;

/** Absolute path of the binary; rejects with a ProvisionError whose message says how to get it. */
export function provisionFakeGcsServer(): Promise<string> {
  known ??= find();
  return known;
}

async function find(): Promise<string> {
  const named = process.env["ETCDSAFE_FAKE_GCS_SERVER"];
  if (named === undefined) return (await provisionGoTools(TOOLS))["fake-gcs-server"];
  const usable = await access(named, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (usable) return named;
  throw new ProvisionError(`ETCDSAFE_FAKE_GCS_SERVER=${named} is no executable; unset it to have fake-gcs-server built.`);
}

const TOOLS = {
  label: "fake-gcs-server",
  cacheName: "fake-gcs-server",
  moduleDirectory: fileURLToPath(new URL("../../tools/fake-gcs-server", import.meta.url)),
  packages: { "fake-gcs-server": "github.com/fsouza/fake-gcs-server" },
  otherWay: "set ETCDSAFE_FAKE_GCS_SERVER to a fake-gcs-server binary",
};
