// Hosts of a rehearsal: each sees an /etc and a /var/lib of its own (bind mounts in a mount namespace), runs real etcds, and has, in place of what
// this machine lacks, scripts that act on them: a kubelet that runs the static pods of etcd, crictl, systemctl, journalctl and kubectl.
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { provisionEtcd } from "../../../scripts/provision.ts";
import { NODE } from "../cli.ts";
import { type CommandResult, runCommand, startCommand } from "../command.ts";
import { ENTER, SCRIPTS } from "./scripts.ts";

const LAUNCHER = fileURLToPath(new URL("../../../bin/etcdsafe.js", import.meta.url));
/** Longer than any wait in the instructions would have to be here. */
const STEP_LIMIT_MS = 90_000;

export class Host implements AsyncDisposable {
  readonly name: string;
  /** Where its own files lie; `etc`, `lib` (its /var/lib), `home` and `run` below it. */
  readonly root: string;
  readonly #path: string;
  #kubelet: ReturnType<typeof startCommand> | undefined;

  constructor(name: string, root: string, path: string) {
    this.name = name;
    this.root = root;
    this.#path = path;
  }

  /** Runs `command` in a shell of the host, in its home. */
  run(command: string): Promise<CommandResult> {
    return runCommand("unshare", this.#enter(["sh", "-c", command]), { env: this.#environment(), limitMs: STEP_LIMIT_MS });
  }

  /** As `run`, but rejects unless it succeeds; resolves to what it printed. */
  async do(command: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(command);
    if (exitCode === 0) return stdout;
    throw new Error(`${this.name}: ${command}\nended with ${exitCode}:\n${stderr}${stdout}\n${await this.log()}`);
  }

  startKubelet(): void {
    this.#kubelet = startCommand("unshare", this.#enter(["kubelet"]), { env: this.#environment(), limitMs: 240_000 });
  }

  /** Of its etcd. */
  log(): Promise<string> {
    return readFile(join(this.root, "run/etcd.log"), "utf8").catch(() => "");
  }

  /** Kills the kubelet with its pods, and the unit. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#kubelet?.signal("SIGTERM");
    await this.#kubelet?.finished.catch(() => undefined);
    await this.run("systemctl stop etcd");
  }

  #enter(command: readonly string[]): string[] {
    const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
    return ["--mount", ...asRoot, "--", "sh", "-c", ENTER, "sh", this.root, ...command];
  }

  #environment(): NodeJS.ProcessEnv {
    const kept = Object.entries(process.env).filter(([name]) => !/^(ETCD|ETCDCTL_|ETCDSAFE_(?!CACHE)|VITEST|NODE_OPTIONS$)/.test(name));
    // As operators have it exported: etcdctl refuses the flag beside it.
    return { ...Object.fromEntries(kept), PATH: `${this.#path}:${process.env["PATH"]}`, HOST: this.root, ETCDCTL_ENDPOINTS: "http://127.0.0.1:1" };
  }
}

/** Hosts below `directory`, by name; nothing runs on them yet. */
export async function makeHosts(names: readonly string[], directory: string, minor: "3.5" | "3.6" | "3.7"): Promise<Host[]> {
  const bin = join(directory, "bin");
  await mkdir(bin, { recursive: true });
  const { etcd, etcdctl } = await provisionEtcd(minor);
  await symlink(etcd, join(bin, "etcd"));
  await symlink(etcdctl, join(bin, "etcdctl"));
  for (const [name, script] of Object.entries({ ...SCRIPTS, etcdsafe: `exec '${NODE}' '${LAUNCHER}' "$@"` }))
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return Promise.all(
    names.map(async (name) => {
      const root = join(directory, name);
      for (const each of ["lib/etcd", "home", "run/containers"]) await mkdir(join(root, each), { recursive: true });
      await cp("/etc", join(root, "etc"), { recursive: true, verbatimSymlinks: true, filter: isReadable });
      await mkdir(join(root, "etc/kubernetes/manifests"), { recursive: true });
      return new Host(name, root, bin);
    }),
  );
}

/** What cannot be read, a rehearsal does not need. */
async function isReadable(path: string): Promise<boolean> {
  return readdir(path).then(
    () => true,
    ({ code }: NodeJS.ErrnoException) => code === "ENOTDIR",
  );
}
