// The etcd binaries that tests, demo and bench run against: a directory the user names, else built once from tools/etcd-<minor>
// into a cache outside the checkout. As a program: `node scripts/provision.ts [3.5 3.6 3.7]` prints where they are.
import { execFile } from "node:child_process";
import { access, constants, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type GoTools, provisionGoTools } from "./provision/go-tools.ts";
import { ProvisionError } from "./provision/provision-error.ts";

/** The minors etcdsafe is tested with on every machine. */
export const ETCD_MINORS = ["3.5", "3.6", "3.7"] as const;
export type EtcdMinor = (typeof ETCD_MINORS)[number];

/** Absolute paths of the binaries of one etcd version. */
export interface EtcdBinaries {
  readonly etcd: string;
  readonly etcdutl: string;
  readonly etcdctl: string;
}

const toolsDirectory = fileURLToPath(new URL("../tools/", import.meta.url));
const known = new Map<EtcdMinor, Promise<EtcdBinaries>>();

/** The binaries of the latest patch of `minor` named in tools/; rejects with a ProvisionError whose message says how to get them. */
export function provisionEtcd(minor: EtcdMinor): Promise<EtcdBinaries> {
  let binaries = known.get(minor);
  if (binaries === undefined) {
    binaries = find(minor);
    known.set(minor, binaries);
  }
  return binaries;
}

/** etcd 3.4 where the user names one (ETCDSAFE_ETCD_3_4) or the system's package provides it; it has no etcdutl. Never built. */
export async function systemEtcd34(): Promise<{ readonly etcd: string; readonly etcdctl: string } | undefined> {
  const named = process.env["ETCDSAFE_ETCD_3_4"];
  if (named !== undefined) return takeNamed("ETCDSAFE_ETCD_3_4", named, "3.4", ["etcd", "etcdctl"]);
  for (const directory of (process.env["PATH"] ?? "").split(":")) {
    const found = { etcd: join(directory, "etcd"), etcdctl: join(directory, "etcdctl") };
    if (directory !== "" && (await versionOf(found.etcd))?.startsWith("3.4.") && (await isExecutable(found.etcdctl))) return found;
  }
  return undefined;
}

async function find(minor: EtcdMinor): Promise<EtcdBinaries> {
  const variable = `ETCDSAFE_ETCD_${minor.replace(".", "_")}`;
  const named = process.env[variable];
  if (named !== undefined) return takeNamed(variable, named, minor, ["etcd", "etcdutl", "etcdctl"]);
  const moduleDirectory = join(toolsDirectory, `etcd-${minor}`);
  const version = /go\.etcd\.io\/etcd\/server\/v3 v(\S+)/.exec(await readFile(join(moduleDirectory, "go.mod"), "utf8"))?.[1] ?? minor;
  const tools: GoTools<keyof EtcdBinaries> = {
    label: `etcd ${version}`,
    cacheName: `etcd-${version}`,
    moduleDirectory,
    packages: { etcd: "go.etcd.io/etcd/server/v3", etcdutl: "go.etcd.io/etcd/etcdutl/v3", etcdctl: "go.etcd.io/etcd/etcdctl/v3" },
    otherWay: `set ${variable} to a directory that holds etcd, etcdutl and etcdctl ${minor}`,
  };
  return provisionGoTools(tools);
}

async function takeNamed<Name extends string>(variable: string, directory: string, minor: string, names: readonly Name[]): Promise<Record<Name, string>> {
  const otherwise = minor === "3.4" ? "" : ` to have etcd ${minor} built`; // 3.4 never is.
  const paths = Object.fromEntries(names.map((name) => [name, join(directory, name)])) as Record<Name, string>;
  for (const name of names) {
    if (!(await isExecutable(paths[name]))) throw new ProvisionError(`${variable}=${directory}: no executable ${name} in it; unset it${otherwise}.`);
  }
  const version = await versionOf(join(directory, "etcd"));
  if (version?.startsWith(`${minor}.`)) return paths;
  throw new ProvisionError(`${variable}=${directory}: its etcd is ${version ?? "of no known version"}, not ${minor}; unset it${otherwise}.`);
}

/** The system may have etcd and etcdctl as packages of their own. */
function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function versionOf(etcd: string): Promise<string | undefined> {
  const run = promisify(execFile);
  const output = await run(etcd, ["--version"], { timeout: 10_000 }).catch(() => undefined);
  return /^etcd Version: (\S+)/m.exec(output?.stdout ?? "")?.[1];
}

async function main(minors: readonly string[]): Promise<number> {
  try {
    for (const minor of minors.length === 0 ? ETCD_MINORS : minors) {
      if (!ETCD_MINORS.some((each) => each === minor)) throw new ProvisionError(`unknown etcd minor ${minor}; one of ${ETCD_MINORS.join(", ")}.`);
      const { etcd, etcdutl, etcdctl } = await provisionEtcd(minor as EtcdMinor);
      process.stdout.write(`${etcd}\n${etcdutl}\n${etcdctl}\n`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    process.stderr.write(`etcdsafe: ${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
