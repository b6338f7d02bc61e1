// systemd units of this host that run etcd, or would start it again in a moment: what `systemctl show` tells of them.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { CallOptions } from "../runtime.ts";

export interface EtcdUnit {
  readonly name: string;
  /** `active`, `activating` (also while it waits to be restarted), … */
  readonly state: string;
  /** Null where it cannot be told. */
  readonly dataDir: string | null;
}

/** The running ones; or why nobody could be asked. */
export type SeenUnits = { readonly running: readonly EtcdUnit[] } | { readonly unasked: string };

/** Where servers of these keep all their data, their etcd's in server/db/etcd, unless --data-dir or config.yaml says otherwise. */
const SERVERS: Readonly<Record<string, string>> = { "k3s.service": "/var/lib/rancher/k3s", "rke2-server.service": "/var/lib/rancher/rke2" };
/** Distributions' etcd, Flatcar's, and instances of a template. Not `etcd*`, which takes in jobs that save, compact or defragment. */
const ETCDS = ["etcd.service", "etcd-member.service", "etcd@*.service"];
const PROPERTIES = ["Id", "ActiveState", "ExecStart", "Environment", "EnvironmentFiles"];
/** `inactive` and `failed` are the others: systemd starts those again only when it is asked to. */
const RUNNING = new Set(["active", "activating", "reloading", "refreshing", "deactivating"]);
const ASK_LIMIT_MS = 3_000;

export async function seeUnits({ signal }: CallOptions): Promise<SeenUnits> {
  try {
    const args = ["show", "--no-pager", `--property=${PROPERTIES.join(",")}`, ...ETCDS, ...Object.keys(SERVERS)];
    const { stdout } = await promisify(execFile)("systemctl", args, { signal, timeout: ASK_LIMIT_MS, env: { ...process.env, LC_ALL: "C" } });
    const units = stdout
      .split(/\n\s*\n/)
      .map(propertiesOf)
      .filter((unit) => RUNNING.has(unit.get("ActiveState")?.[0] ?? ""));
    return { running: await Promise.all(units.map(runningUnit)) };
  } catch (error) {
    signal.throwIfAborted();
    const { code, stderr } = error as NodeJS.ErrnoException & { readonly stderr?: string };
    return { unasked: code === "ENOENT" ? "there is no systemctl here" : stderr?.trim().split("\n")[0] || (error as Error).message };
  }
}

/** One unit's lines `Property=value`; some properties repeat. */
function propertiesOf(block: string): Map<string, string[]> {
  const properties = new Map<string, string[]>();
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) properties.set(name, [...(properties.get(name) ?? []), value]);
  }
  return properties;
}

async function runningUnit(properties: ReadonlyMap<string, readonly string[]>): Promise<EtcdUnit> {
  const name = properties.get("Id")?.[0] ?? "";
  const server = SERVERS[name];
  const given = /(?:^|\s)(?:--data-dir|-d)[= ]("?)([^\s"]+)\1/.exec(properties.get("ExecStart")?.join(" ") ?? "")?.[2];
  const dataDir = server === undefined ? (given ?? (await fromEnvironment(properties))) : (given ?? server);
  return { name, state: properties.get("ActiveState")?.[0] ?? "", dataDir: dataDir ?? null };
}

/** A file beats what the unit itself sets, and a later file an earlier one (systemd.exec). Undefined where etcd has its directory from a file of its own. */
async function fromEnvironment(properties: ReadonlyMap<string, readonly string[]>): Promise<string | undefined> {
  const files = (properties.get("EnvironmentFiles") ?? []).map((value) => value.replace(/ \(ignore_errors=\w+\)$/, "").replace(/^-/, ""));
  const texts = await Promise.all(files.map((path) => readFile(path, "utf8").catch(() => "")));
  const found = [...texts.toReversed(), properties.get("Environment")?.join(" ") ?? ""].map(
    (text) => /(?:^|[\s"'])ETCD_DATA_DIR=["']?([^\s"']+)/m.exec(text)?.[1],
  );
  return found.find((each) => each !== undefined);
}
