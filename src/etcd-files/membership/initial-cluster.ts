// The value of `--initial-cluster` and of `--initial-advertise-peer-urls`, taken apart as etcd does (`client/pkg/types/urlsmap.go`, etcd-formats §4.1).
import { EtcdsafeError } from "../../errors.ts";
import { inGoOrder } from "./ids.ts";
import { parsePeerUrl } from "./peer-url.ts";

/** A member as an operator names it; from `--initial-cluster` or from a members file. */
export interface MemberSpec {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** Ours. etcd's own guide knows clusters of 3, 5 and 7; each member's directory is looked at, all at once. */
export const MEMBERS_MAX = 100;

/**
 * `m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380`; a name repeats for each further URL of its member. The URLs are not looked at yet: planCluster does.
 * Throws MEMBERS_INVALID, where etcd would go on with an empty name or URL.
 */
export function parseInitialCluster(text: string): MemberSpec[] {
  const urls = new Map<string, string[]>();
  for (const entry of text.split(",")) {
    if (entry === "") continue;
    const equals = entry.indexOf("=");
    if (equals < 0) throw notNamed(entry, [...urls.keys()].at(-1));
    if (equals === 0) throw new EtcdsafeError("MEMBERS_INVALID", `--initial-cluster: ${JSON.stringify(entry)} has no name before its "="`);
    const name = entry.slice(0, equals);
    urls.set(name, [...(urls.get(name) ?? []), entry.slice(equals + 1)]);
  }
  if (urls.size > MEMBERS_MAX) throw new EtcdsafeError("MEMBERS_INVALID", `--initial-cluster names ${urls.size} members, more than ${MEMBERS_MAX}`);
  if (urls.size === 0) throw new EtcdsafeError("MEMBERS_INVALID", "--initial-cluster names no member");
  return [...urls].map(([name, peerUrls]) => ({ name, peerUrls }));
}

/** The URLs of `--initial-advertise-peer-urls`, as etcd stores them, sorted. Throws MEMBERS_INVALID. */
export function parseAdvertisedPeerUrls(text: string): string[] {
  return inGoOrder(text.split(",").map((url) => parsePeerUrl(url, "--initial-advertise-peer-urls")));
}

function notNamed(entry: string, before: string | undefined): EtcdsafeError {
  const hint = before !== undefined && entry.includes("://") ? { hint: `If it is another URL of ${before}, write ${before}=${entry.trim()}.` } : {};
  return new EtcdsafeError("MEMBERS_INVALID", `--initial-cluster: ${JSON.stringify(entry)} is not name=peer URL`, hint);
}
