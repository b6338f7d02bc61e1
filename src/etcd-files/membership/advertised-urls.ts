// Whether a member advertises the URLs under which the cluster knows it. Compared as etcd does (`server/config/config.go` advertiseMatchesCluster,
// `pkg/netutil/netutil.go` URLStringsEqual): as text, else by the addresses their hosts resolve to.
import { isIP, isIPv6 } from "node:net";
import { EtcdsafeError } from "../../errors.ts";
import type { CallOptions } from "../../runtime.ts";
import { inGoOrder } from "./ids.ts";
import type { PlannedMember } from "./plan-cluster.ts";

/** The first address of a host; rejects when it has none. etcd gives up after 30 s; here `signal` decides. */
export type ResolveHost = (host: string, options: CallOptions) => Promise<string>;

/** Rejects with MEMBERS_INVALID unless `advertised` (as parseAdvertisedPeerUrls gives them) are the member's peer URLs. Resolves nothing when the texts are equal. */
export async function checkAdvertisedPeerUrls(member: PlannedMember, advertised: readonly string[], resolve: ResolveHost, options: CallOptions): Promise<void> {
  if (sameTexts(advertised, member.peerUrls)) return;
  if (advertised.length === member.peerUrls.length) {
    try {
      if (sameTexts(await resolved(advertised, resolve, options), await resolved(member.peerUrls, resolve, options))) return;
    } catch (cause) {
      options.signal.throwIfAborted();
      throw mismatch(
        member,
        advertised,
        `, and their hosts could not be resolved to compare addresses: ${cause instanceof Error ? cause.message : cause}`,
        cause,
      );
    }
  }
  throw mismatch(member, advertised, "");
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && inGoOrder(a).join("\n") === inGoOrder(b).join("\n");
}

async function resolved(urls: readonly string[], resolve: ResolveHost, options: CallOptions): Promise<string[]> {
  const addresses: string[] = [];
  for (const url of urls) addresses.push(await resolvedUrl(url, resolve, options));
  return addresses;
}

/** etcd resolves neither sockets nor `localhost`. */
async function resolvedUrl(url: string, resolve: ResolveHost, options: CallOptions): Promise<string> {
  const [, scheme, host, port] = /^(https?):\/\/(.*):(\d+)$/.exec(url) ?? [];
  if (host === undefined || host === "localhost") return url;
  const name = host.replace(/^\[(.*)\]$/, "$1");
  const address = isIP(name) === 0 ? await resolve(name, options) : name;
  return `${scheme}://${canonicalAddress(address)}:${Number(port)}`;
}

/** One spelling for each IPv6 address, as Go's net.IP.String makes. */
function canonicalAddress(address: string): string {
  return isIPv6(address) && !address.includes("%") ? new URL(`http://[${address}]`).hostname : address;
}

function mismatch(member: PlannedMember, advertised: readonly string[], more: string, cause?: unknown): EtcdsafeError {
  const message = `member ${JSON.stringify(member.name)} advertises ${advertised.join(", ")}, but the initial cluster has ${member.peerUrls.join(", ")} for it${more}`;
  return new EtcdsafeError("MEMBERS_INVALID", message, {
    hint: "Give the same peer URLs in --initial-advertise-peer-urls and for this member in --initial-cluster.",
    cause,
  });
}
