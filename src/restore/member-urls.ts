// Where a restored member's clients will find it. The restored files do not depend on it; what is asked and printed around a restore does.
import type { MemberSpec } from "../etcd-files/membership/initial-cluster.ts";

/** A member of the new cluster, as it was named. */
export interface RestoreMemberSpec extends MemberSpec {
  /** Where left out: etcd's customary port on the hosts of the peer URLs. */
  readonly clientUrls?: readonly string[] | undefined;
}

const CLIENT_PORT = 2379;

/** Scheme and host of each peer URL with etcd's client port, each once; a Unix socket names no host. */
export function assumedClientUrls(peerUrls: readonly string[]): string[] {
  const urls = peerUrls.flatMap((peerUrl) => {
    const { protocol, hostname } = new URL(peerUrl);
    return hostname === "" ? [] : [`${protocol}//${hostname}:${CLIENT_PORT}`];
  });
  return [...new Set(urls)];
}
