// The `age` command, built as the etcd binaries are, and upstream's test vectors of the format.
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type GoTools, provisionGoTools } from "./go-tools.ts";
import { ProvisionError } from "./provision-error.ts";

/** Absolute paths. */
export interface AgeBinaries {
  readonly age: string;
  readonly "age-keygen": string;
}

const TOOLS: GoTools<keyof AgeBinaries> = {
  label: "age",
  cacheName: "age",
  moduleDirectory: fileURLToPath(new URL("../../tools/age", import.meta.url)),
  packages: { age: "filippo.io/age/cmd/age", "age-keygen": "filippo.io/age/cmd/age-keygen" },
  otherWay: "set ETCDSAFE_AGE to a directory that holds age and age-keygen",
};
const VECTORS = "c2sp.org/CCTV/age";
const DOWNLOAD_LIMIT_MS = 5 * 60_000;

let known: Promise<AgeBinaries> | undefined;

/** Rejects with a ProvisionError whose message says how to get them. */
export function provisionAge(): Promise<AgeBinaries> {
  known ??= find();
  return known;
}

/** The directory of upstream's test vectors, one file each. Rejects with a ProvisionError. */
export async function provisionAgeVectors(): Promise<string> {
  const cwd = fileURLToPath(new URL("../../tools/age-vectors", import.meta.url));
  const env = { ...process.env, GOWORK: "off", GOFLAGS: "-mod=readonly" };
  const { stdout } = await promisify(execFile)("go", ["mod", "download", "-json", VECTORS], { cwd, env, timeout: DOWNLOAD_LIMIT_MS }).catch((error: Error) => {
    throw new ProvisionError(`the test vectors of age were not found: "go mod download ${VECTORS}" in tools/age-vectors failed: ${error.message}`);
  });
  return join(JSON.parse(stdout).Dir, "testdata");
}

async function find(): Promise<AgeBinaries> {
  const named = process.env["ETCDSAFE_AGE"];
  if (named === undefined) return provisionGoTools(TOOLS);
  const binaries = { age: join(named, "age"), "age-keygen": join(named, "age-keygen") };
  for (const path of Object.values(binaries)) {
    await access(path, constants.X_OK).catch(() => {
      throw new ProvisionError(`ETCDSAFE_AGE=${named}: ${path} is no executable; unset it to have age built.`);
    });
  }
  return binaries;
}
