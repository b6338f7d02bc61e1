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

/** What is wrong with assumed client URLs that several members would share: all commands printed for them would reach one, or none. */
export function sharedUrlWarnings(members: readonly MemberClients[]): string[] {
  const assumed = members.filter(({ clientUrlsAssumed }) => clientUrlsAssumed);
  const urls = [...new Set(assumed.flatMap(({ clientUrls }) => clientUrls))];
  return urls.flatMap((url) => {
    const names = assumed.filter(({ clientUrls }) => clientUrls.includes(url)).map(({ name }) => name);
    if (names.length < 2) return [];
    return `The members ${names.join(", ")} cannot all listen on ${url}, which is assumed from their peer URLs: name each one's \`clientUrls\` in the members file. What is printed here would compare one member with itself.`;
  });
}

/** Scheme and host of each peer URL with etcd's client port, each once; a Unix socket names no host. */
export function assumedClientUrls(peerUrls: readonly string[]): string[] {
  const urls = peerUrls.flatMap((peerUrl) => {
    const { protocol, hostname } = new URL(peerUrl);
    return hostname === "" ? [] : [`${protocol}//${hostname}:${CLIENT_PORT}`];
  });
  return [...new Set(urls)];
}
