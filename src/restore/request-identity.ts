// Whether two restores are asked for the same thing: then the later one may finish what the earlier one began. Pure.
import { createHash } from "node:crypto";
import type { RestorePlan } from "./plan.ts";

/**
 * What of each part of a plan was asked for; null for what a run draws, finds or computes by itself and another one may well do otherwise.
 * Who adds a part to the plan decides here.
 */
const ASKED: { readonly [Part in keyof RestorePlan]: null | ((part: RestorePlan[Part]) => unknown) } = {
  format: String,
  tool: null,
  plannedAt: null,
  distro: null,
  perHost: null,
  copy: String,
  repository: null,
  formerMembers: null,
  unsignedSha256: null,
  // The same bytes, wherever they come from; without a hash nothing tells but where, how many, and how new.
  source: ({ databaseSha256, databaseSizeBytes, revision, location }) => databaseSha256 ?? [location, databaseSizeBytes, revision],
  skipHashCheck: String,
  token: null,
  tokenGiven: null,
  clusterId: null,
  members: (members) => members.map(({ name, peerUrls, dataDir, walDir }) => [name, peerUrls, dataDir, walDir]).toSorted(([a], [b]) => (a! < b! ? -1 : 1)),
  revision: ({ bump }) => bump,
  loss: null,
  walDialect: null,
  keyspace: ({ alarms, auth, leases }) => [alarms.policy, auth.after, leases.policy],
  versions: ({ target }) => target,
  walBeside: null,
  stageId: null,
  quotaBackendBytes: null,
  replace: String,
  owner: (owner) => owner && [owner.uid, owner.gid],
  bytes: null,
  warnings: null,
};

/** Equal for plans that were asked for the same; hexadecimal. */
export function requestIdentity(plan: RestorePlan): string {
  const asked = Object.entries(ASKED).map(([part, of]) => [part, of === null ? null : (of as (part: unknown) => unknown)(plan[part as keyof RestorePlan])]);
  // A token that was drawn is no part of what was asked for, nor is a revision that was found; but all hosts of one plan get the same.
  const shared = plan.perHost ? [plan.token, plan.revision.after] : plan.tokenGiven ? plan.token : null;
  return createHash("sha256")
    .update(JSON.stringify([...asked, shared]))
    .digest("hex");
}
