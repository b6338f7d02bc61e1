// Clients of test clusters, with limits that fit tests.
import { type MemberClient, openMember } from "../../../src/cluster/channel.ts";
import type { ConnectionOptions } from "../../../src/cluster/connection-options.ts";

export function connectionTo(endpoints: readonly string[], options: Partial<ConnectionOptions> = {}): ConnectionOptions {
  return { endpoints, dialTimeoutMs: 3000, commandTimeoutMs: 10_000, ...options };
}

export function clientOf(member: { readonly clientUrl: string } | undefined, options: Partial<ConnectionOptions> = {}): MemberClient {
  if (member === undefined) throw new Error("the cluster has no such member");
  return openMember(member.clientUrl, connectionTo([member.clientUrl], options));
}

/** What every call of a test is given: nothing here takes longer. */
export function soon(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(30_000) };
}
