// The command line that starts a restored member: all that the restored files depend on. Client URLs and certificates are the operator's to add.
import { isIP } from "node:net";
import { shellCommand } from "./shell-command.ts";
import { type InstructedMember, initialCluster } from "./steps.ts";

/** `member` has a data directory. What a member listens on must be addresses, its peer URLs may be names (etcd server/embed/config.go). */
export function etcdCommand({ name, peerUrls, dataDir, walDir }: InstructedMember, members: readonly InstructedMember[], quotaBackendBytes: number): string {
  return shellCommand([
    "etcd",
    ...["--name", name, "--data-dir", dataDir ?? "", ...(walDir === null ? [] : ["--wal-dir", walDir])],
    ...["--listen-peer-urls", listenUrls(peerUrls).join(","), "--initial-advertise-peer-urls", peerUrls.join(",")],
    ...["--initial-cluster", initialCluster(members), "--initial-cluster-state", "existing"],
    ...["--quota-backend-bytes", String(quotaBackendBytes)],
  ]);
}

/** Each port once: on every address where one of its URLs has a name for a host. */
function listenUrls(peerUrls: readonly string[]): string[] {
  const everywhere = new Map<string, string>();
  for (const url of peerUrls) if (!isAddress(url)) everywhere.set(portOf(url), `${new URL(url).protocol}//0.0.0.0:${portOf(url)}`);
  return [...new Set(peerUrls.map((url) => everywhere.get(portOf(url)) ?? url))];
}

function isAddress(url: string): boolean {
  return isIP(new URL(url).hostname.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

/** URL leaves out what is its scheme's default. */
function portOf(url: string): string {
  const { port, protocol } = new URL(url);
  return port !== "" ? port : protocol === "https:" ? "443" : "80";
}
