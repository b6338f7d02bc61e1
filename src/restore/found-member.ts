// Whose member lies where a plan is to write one: what its log says of itself, and how far it has gone. A plan that is carried out again finds its own.
import { join } from "node:path";
import { formatId } from "../bytes/u64.ts";
import { runInWorker } from "../bytes/worker.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { type FormerMember, formerMembersIn } from "./former-members.ts";
import type { MemberFiles } from "./member-revision.ts";
import type { MemberPlaces } from "./member-revision-worker.ts";
import type { RestorePlan } from "./plan.ts";
import { targetsOf } from "./targets.ts";
import { findUnfinished } from "./unfinished.ts";

export interface FoundMember {
  /** The planned member whose target this is. */
  readonly target: string;
  readonly memberDir: string;
  /** Of its log, 16 hexadecimal digits; null where there is none that can be read. */
  readonly memberId: string | null;
  readonly clusterId: string | null;
  /** The members of its cluster, as its database knows them. */
  readonly known: readonly FormerMember[];
  readonly files: MemberFiles;
}

export interface OwnMember {
  readonly name: string;
  readonly memberDir: string;
  /** Where it still is as it was restored. */
  readonly state: "as restored" | "gone on";
  /** What it shows that it may have served. */
  readonly revision: string | null;
  /** Where nothing tells any more, when it was planned. */
  readonly restoredAt: string;
}

/** The parts of a plan that tell a member. */
type NamedMembers = Pick<RestorePlan, "clusterId" | "formerMembers" | "members" | "plannedAt" | "revision">;

/** Of the targets on this host; none where an interrupted restore is to be settled first. Throws RESTORE_UNFINISHED. */
export async function foundMembers(plan: Pick<RestorePlan, "members">, options: CallOptions): Promise<FoundMember[]> {
  const targets = targetsOf(plan);
  if ((await findUnfinished(targets.map(({ dataDir }) => dataDir))).length > 0) return [];
  const found = await Promise.all(
    targets.map(async ({ name, dataDir, walDir }): Promise<FoundMember | undefined> => {
      const memberDir = join(dataDir, "member");
      const places = { memberDir, walDirs: [...(walDir === undefined ? [] : [walDir]), join(memberDir, "wal")] };
      const files = await runInWorker<MemberPlaces, MemberFiles>(new URL("./member-revision-worker", import.meta.url), places, options);
      if (files.database === null && files.log === null) return undefined;
      const metadata = files.log !== null && "metadata" in files.log ? files.log.metadata : null;
      const ids = metadata === null ? { memberId: null, clusterId: null } : { memberId: formatId(metadata.memberId), clusterId: formatId(metadata.clusterId) };
      return { target: name, memberDir, ...ids, known: formerMembersIn(join(memberDir, "snap", "db")), files };
    }),
  );
  return found.filter((each) => each !== undefined);
}

/** Pure. What the plan itself has put there; undefined for what is somebody else's. */
export function ownMember({ clusterId, members, plannedAt, revision }: NamedMembers, found: FoundMember): OwnMember | undefined {
  const member = members.find(({ name }) => name === found.target);
  // Ids follow from the plan's token, so that a database that knows this one is of the plan's cluster, whatever became of its log.
  const isOwn =
    member !== undefined &&
    (found.clusterId === null ? found.known.some(({ id }) => id === member.id) : found.clusterId === clusterId && found.memberId === member.id);
  if (!isOwn) return undefined;
  const { database } = found.files;
  const shown = database !== null && "revision" in database ? database : undefined;
  const isAsRestored = shown?.revision === BigInt(revision.after) && isUnstarted({ members }, found);
  const base = { name: member.name, memberDir: found.memberDir, revision: shown?.revision.toString() ?? null };
  return isAsRestored ? { ...base, state: "as restored", restoredAt: shown.at } : { ...base, state: "gone on", restoredAt: plannedAt };
}

/** Pure. Whether a member of so many has never run since it was restored, to whatever revision. */
export function isUnstarted({ members }: Pick<RestorePlan, "members">, { files: { database, log } }: FoundMember): boolean {
  // Its log was written with one entry for each member, and the database as if it held them (etcd-formats §4.2).
  const lastIndex = BigInt(members.length);
  const hasLog = log !== null && "lastIndex" in log && log.lastIndex === lastIndex && log.corruption === null;
  return hasLog && database !== null && "revision" in database && database.consistentIndex === lastIndex;
}

/** PLAN_MISMATCH, for a member of the plan that was started since it was restored. */
export function goneOn({ name, memberDir, revision }: OwnMember, { members }: Pick<RestorePlan, "members">): EtcdsafeError {
  const id = members.find((member) => member.name === name)!.id;
  const served = revision === null ? "its database cannot be read any more" : `it has served up to revision ${revision}`;
  const hint =
    members.length === 1
      ? "Go on with what it has, and start it where it is stopped. To go back to the source all the same, and lose that, restore without --from-plan."
      : `A member that is broken is replaced while the others have their quorum: \`etcdctl member remove ${id}\`, \`etcdctl member add ${name}\`, and a start with an empty data directory. Where the others are gone, and with them the quorum, make a new plan: without --from-plan, on this host, so that what this member has served counts.`;
  return new EtcdsafeError(
    "PLAN_MISMATCH",
    `${memberDir} is ${name} of this very plan, and was started since: ${served}. Restoring it again would take back writes that were acknowledged`,
    { hint: `${hint} Nothing was written.` },
  );
}

/** Pure. Says whose directory it is, where that is another planned member's: the same path is on every host. Undefined where it is not, or nothing tells. */
export function otherMembersDirectory({ clusterId, formerMembers, members }: NamedMembers, found: FoundMember): { name: string; text: string } | undefined {
  const { memberId, target, memberDir } = found;
  const isOfPlan = found.clusterId === clusterId;
  const names = [...(isOfPlan ? members : []), ...found.known, ...formerMembers].filter(({ id }) => id === memberId).map(({ name }) => name);
  const name = names.find((each) => each !== "");
  if (name === undefined || name === target || !members.some((member) => member.name === name)) return undefined;
  return {
    name,
    text: `${memberDir} is that of ${name} (${memberId}) ${isOfPlan ? "of this very plan" : "of the former cluster"}, and ${target} is to be written there`,
  };
}
