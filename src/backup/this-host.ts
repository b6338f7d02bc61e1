// Whether a member runs on the host that saves.
import { hostname, networkInterfaces } from "node:os";

const EVERYWHERE = ["localhost", "127.0.0.1", "::1"];

/** Whether a name or an address (IPv6 without brackets) is this host's, as far as that can be told: names other than its own are not looked up. */
export function isThisHost(host: string): boolean {
  return EVERYWHERE.includes(host) || host === hostname() || ownAddresses().includes(host);
}

/** None where they may not be asked for, as in a sandbox without AF_NETLINK. */
function ownAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  } catch {
    return [];
  }
}
