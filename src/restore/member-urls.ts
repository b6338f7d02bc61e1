// Where a restored member's clients will find it. The restored files do not depend on it; what is asked and printed around a restore does.
import type { MemberSpec } from "../etcd-files/membership/initial-cluster.ts";

/** A member of the new cluster, as it was named. */
export interface RestoreMemberSpec extends MemberSpec {
  /** Where left out: etcd's customary port on the hosts of the peer URLs. */
  readonly clientUrls?: readonly string[] | undefined;
}

const CLIENT_PORT = 2379;

interface MemberClients {
  readonly name: string;
  readonly clientUrls: readonly string[];
  readonly clientUrlsAssumed: boolean;
}

/** What is wrong with assumed client URLs that another member has as well, assumed or named: what is printed for both would reach one, or none. */
export function sharedUrlWarnings(members: readonly MemberClients[]): string[] {
  const assumed = members.filter(({ clientUrlsAssumed }) => clientUrlsAssumed);
  const urlByPlace = new Map(assumed.flatMap(({ clientUrls }) => clientUrls.map((url) => [placeOf(url), url] as const)));
  return [...urlByPlace].flatMap(([place, url]) => {
    const listening = members.filter(({ clientUrls }) => clientUrls.some((each) => placeOf(each) === place));
    if (listening.length < 2) return [];
    const [names, others] = [listening, listening.filter((each) => assumed.includes(each))].map((each) => each.map(({ name }) => name).join(", "));
    const forWhom = names === others ? "" : ` for ${others}`;
    return `The members ${names} cannot all listen on ${url}, which is assumed${forWhom} from the peer URLs: name each one's \`clientUrls\` in the members file. What is printed here would compare one member with itself.`;
  });
}

/** Only one process can listen there, whatever the scheme. */
function placeOf(url: string): string {
  return new URL(url).host;
}

/** Scheme and host of each peer URL with etcd's client port, each once; a Unix socket names no host. */
export function assumedClientUrls(peerUrls: readonly string[]): string[] {
  const urls = peerUrls.flatMap((peerUrl) => {
    const { protocol, hostname } = new URL(peerUrl);
    return hostname === "" ? [] : [`${protocol}//${hostname}:${CLIENT_PORT}`];
  });
  return [...new Set(urls)];
}
