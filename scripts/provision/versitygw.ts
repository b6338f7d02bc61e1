// versitygw, an S3 server over a directory: one the user names, else built once from tools/versitygw as the etcd binaries are.
import { access, constants } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { provisionGoTools } from "./go-tools.ts";
import { ProvisionError } from "./provision-error.ts";

let known: Promise<string> | undefined;

/** Absolute path of the binary; rejects with a ProvisionError whose message says how to get it. */
export function provisionVersitygw(): Promise<string> {
  known ??= find();
  return known;
}

async function find(): Promise<string> {
  const named = process.env["ETCDSAFE_VERSITYGW"];
  if (named === undefined) return (await provisionGoTools(TOOLS)).versitygw;
  const usable = await access(named, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (usable) return named;
  throw new ProvisionError(`ETCDSAFE_VERSITYGW=${named} is no executable; unset it to have versitygw built.`);
}

const TOOLS = {
  label: "versitygw",
  cacheName: "versitygw",
  moduleDirectory: fileURLToPath(new URL("../../tools/versitygw", import.meta.url)),
  packages: { versitygw: "github.com/versity/versitygw/cmd/versitygw" },
  otherWay: "set ETCDSAFE_VERSITYGW to a versitygw binary",
};
