// What a restore changes of the data itself, besides the revision: alarms, authentication, leases. Pure.
import type { LeaseChanges, LeasePolicy } from "./leases.ts";
import type { SourceFacts } from "./source.ts";

/** As an operator chose. */
export interface KeyspacePolicies {
  readonly keepAlarms: boolean;
  readonly disableAuth: boolean;
  readonly leases: LeasePolicy;
}

/** What a restore does where nobody says otherwise. */
export const DEFAULT_POLICIES: KeyspacePolicies = { keepAlarms: false, disableAuth: false, leases: "restart" };

/** Part of the plan. */
export interface PlannedKeyspace {
  readonly alarms: { readonly count: number; readonly policy: "drop" | "keep" };
  /** Users and roles stay whatever becomes of it. */
  readonly auth: { readonly before: OnOff; readonly after: OnOff };
  readonly leases: {
    readonly count: number;
    readonly policy: LeasePolicy;
    /** How many keys the policy changes; null where it changes none and nobody counted them. */
    readonly boundKeys: number | null;
    /** What that adds to the database, in whole pages. */
    readonly addedBytes: number;
  };
}

type OnOff = "on" | "off";

/** `changes` are the counted ones of a policy other than `restart`. */
export function planKeyspace(source: SourceFacts, policies: KeyspacePolicies, changes: LeaseChanges | undefined): PlannedKeyspace {
  const before = source.authEnabled ? "on" : "off";
  return {
    alarms: { count: source.alarms, policy: policies.keepAlarms ? "keep" : "drop" },
    auth: { before, after: policies.disableAuth ? "off" : before },
    leases: { count: source.leases, policy: policies.leases, boundKeys: changes?.boundKeys ?? null, addedBytes: changes?.addedBytes ?? 0 },
  };
}

/** How many revisions the policies add behind the source's last. */
export function addedRevisions({ leases }: PlannedKeyspace): 0 | 1 {
  return (leases.boundKeys ?? 0) > 0 ? 1 : 0;
}

/** Whether the database differs from the source's because of the policies. */
export function changesKeyspace({ alarms, auth, leases }: PlannedKeyspace): boolean {
  return (alarms.policy === "drop" && alarms.count > 0) || auth.before !== auth.after || leases.policy !== "restart";
}

/** What to know before the cluster is started. */
export function keyspaceWarnings({ alarms, auth, leases }: PlannedKeyspace): string[] {
  const warnings: string[] = [];
  if (alarms.count > 0) {
    warnings.push(
      alarms.policy === "drop"
        ? `${alarms.count} alarm(s) of the old members are dropped; a NOSPACE alarm comes back by itself if the quota is still too small.`
        : `${alarms.count} alarm(s) are kept, under the ids of the old members: NOSPACE refuses writes, CORRUPT reads as well, until \`etcdctl alarm disarm\`.`,
    );
  }
  if (auth.before === "on" && auth.after === "off") {
    warnings.push(
      "Authentication is switched off: whoever reaches the client URLs may read and write everything, until `etcdctl auth enable`. Users and roles are kept.",
    );
  }
  if (leases.policy === "expire" && leases.boundKeys !== null && leases.boundKeys > 0) {
    warnings.push(`${leases.boundKeys} key(s) that are bound to leases are deleted (--expire-leases).`);
  }
  if (leases.count > 0 && leases.policy === "restart") {
    warnings.push(`${leases.count} lease(s) start again with their full time to live; keys bound to them stay until then.`);
  }
  return warnings;
}
