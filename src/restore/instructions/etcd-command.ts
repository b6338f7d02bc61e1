// The command line that starts a restored member: all that the restored files depend on, and what is known besides. Certificates are the operator's to add.
import { isIP } from "node:net";
import { shellCommand } from "./shell-command.ts";
import { type InstructedMember, initialCluster } from "./steps.ts";

/** `member` has a data directory. What a member listens on must be addresses, what it is to be found at may be names (etcd server/embed/config.go). */
export function etcdCommand(member: InstructedMember, members: readonly InstructedMember[], quotaBackendBytes: number): string {
  const { name, peerUrls, clientUrls, dataDir, walDir } = member;
  return shellCommand([
    "etcd",
    ...["--name", name, "--data-dir", dataDir ?? "", ...(walDir === null ? [] : ["--wal-dir", walDir])],
    ...["--listen-peer-urls", listenUrls(peerUrls).join(","), "--initial-advertise-peer-urls", peerUrls.join(",")],
    ...(clientUrls.length > 0 ? ["--listen-client-urls", listenUrls(clientUrls).join(","), "--advertise-client-urls", clientUrls.join(",")] : []),
    ...["--initial-cluster", initialCluster(members), "--initial-cluster-state", "existing"],
    ...["--quota-backend-bytes", String(quotaBackendBytes)],
  ]);
}

/** Seen on 3.5 to 3.7, of clusters of one and of three. */
export const WHY_EXISTING =
  '"existing": a member whose directory is missing gets the data from the others, or does not serve. With "new" it could serve an empty keyspace.';

/** What to know of the commands of `members`, and what they still need, for behind what they are for; empty for nothing. */
export function toBeAdded(members: readonly InstructedMember[]): string {
  const isAssumed = members.some(({ clientUrls, clientUrlsAssumed }) => clientUrlsAssumed && clientUrls.length > 0);
  const isSecure = members.some(({ peerUrls, clientUrls }) => [...peerUrls, ...clientUrls].some((url) => url.startsWith("https:")));
  const added = [...(members.some(({ clientUrls }) => clientUrls.length === 0) ? ["client URLs"] : []), ...(isSecure ? ["certificates"] : [])];
  return `${isAssumed ? ", at the assumed client URLs" : ""}${added.length === 0 ? "" : `, with ${added.join(" and ")} added`}`;
}

/** Each port once: on every address where one of its URLs has a name for a host; what is only for this host stays so. */
function listenUrls(named: readonly string[]): string[] {
  const urls = named.map((url) => url.replace(/^(https?:\/\/)localhost(?=:|$)/, (_, scheme) => `${scheme}127.0.0.1`));
  const everywhere = new Map<string, string>();
  for (const url of urls) if (!isSocket(url) && !isAddress(url)) everywhere.set(portOf(url), `${new URL(url).protocol}//0.0.0.0:${portOf(url)}`);
  return [...new Set(urls.map((url) => (isSocket(url) ? undefined : everywhere.get(portOf(url))) ?? url))];
}

/** A Unix socket: it has no port. */
function isSocket(url: string): boolean {
  return /^unixs?:/.test(url);
}

function isAddress(url: string): boolean {
  return isIP(new URL(url).hostname.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

/** URL leaves out what is its scheme's default. */
function portOf(url: string): string {
  const { port, protocol } = new URL(url);
  return port !== "" ? port : protocol === "https:" ? "443" : "80";
}
