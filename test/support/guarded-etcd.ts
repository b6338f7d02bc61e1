// An etcd that wants certificates or passwords, and a shell as an administrator has it beside it: for tests that do what a page of docs/ says.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { provisionEtcd, systemEtcd34 } from "../../scripts/provision.ts";
import { type CertificateAuthority, type CertificateFiles, createAuthority } from "./certificates.ts";
import { NODE } from "./cli.ts";
import { type CommandResult, runCommand } from "./command.ts";
import { type ClusterOptions, type EtcdCluster, startCluster } from "./etcd.ts";
import type { TestedMinor } from "./minors.ts";

const NAMES = ["server", "root", "etcdsafe", "watcher", "stranger"] as const;
type Name = (typeof NAMES)[number];
const LAUNCHER = fileURLToPath(new URL("../../bin/etcdsafe.js", import.meta.url));

export interface GuardedEtcd {
  readonly authority: CertificateAuthority;
  /** By common name, which is the user's. */
  certificate(name: Name): CertificateFiles;
  /** The options of etcdsafe for it. */
  presenting(name: Name): string[];
  /** Whose members take the name in a client certificate, which they want, for the user; or who take passwords alone. */
  start(options: ClusterOptions, by?: "certificate" | "password"): Promise<EtcdCluster>;
  /** Runs commands until one fails; etcdsafe and etcdctl are found, and etcdctl knows of the cluster and which certificate to show. */
  shell(commands: string, cluster: EtcdCluster, minor: TestedMinor, user?: Name): Promise<CommandResult>;
}

/** The shell's working directory is the one given. */
export async function prepareGuardedEtcd(directory: string): Promise<GuardedEtcd> {
  const bin = join(directory, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "etcdsafe"), `#!/bin/sh\nexec ${NODE} ${LAUNCHER} "$@"\n`, { mode: 0o755 });
  const authority = await createAuthority(directory);
  const issued = new Map<Name, CertificateFiles>();
  for (const name of NAMES) issued.set(name, await authority.issue({ name }));
  const certificate = (name: Name) => issued.get(name)!;
  return {
    authority,
    certificate,
    presenting: (name) => ["--cert", certificate(name).cert, "--key", certificate(name).key],
    start: (options, by = "certificate") => {
      const tls = { caPath: authority.path, server: certificate("server") };
      const cheap = ["--bcrypt-cost", "4"];
      // To name an authority is to want certificates of it (`client/pkg/transport/listener.go` ServerConfig).
      if (by === "password") return startCluster({ ...options, tls, extraArgs: ["--trusted-ca-file", "", ...cheap] });
      return startCluster({ ...options, tls: { ...tls, client: certificate("root"), requireClientCertificate: true }, extraArgs: cheap });
    },
    shell: async (commands, cluster, minor, user) => {
      const { etcdctl } = minor === "3.4" ? (await systemEtcd34())! : await provisionEtcd(minor);
      const env = {
        PATH: [bin, dirname(etcdctl), process.env["PATH"]].join(":"),
        TMPDIR: directory,
        XDG_CACHE_HOME: "/dev/null",
        ETCDCTL_ENDPOINTS: cluster.endpoints.join(","),
        ETCDCTL_CACERT: authority.path,
        ...(user === undefined ? {} : { ETCDCTL_CERT: certificate(user).cert, ETCDCTL_KEY: certificate(user).key }),
      };
      return await runCommand("sh", ["-ec", commands], { cwd: directory, env });
    },
  };
}

export function expectEnd(result: CommandResult, exitCode: number): void {
  expect(result.exitCode, result.stderr + result.stdout).toBe(exitCode);
}
