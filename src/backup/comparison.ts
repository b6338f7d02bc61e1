// The members' HashKV at one revision, compared with what the file gives for it (etcd-formats §5.1).
// 1. R0 is read through the serving member before the stream; the members are asked for it as soon as the stream has begun.
// 2. Answers that cannot be compared (R0 has been compacted since) are asked for once more, at the revision of the file itself.
// 3. The check of the file computes HashKV with each member's own compaction revision, and each answer is judged by that.
// While the snapshot streams and afterwards, who answers at its endpoint is made sure of: behind a balancer it may be of another member than was chosen.
import { formatId, type MemberId, type Revision } from "../bytes/u64.ts";
import { type Agreement, judgeAgreement } from "../cluster/agreement.ts";
import { compareHashes, type MemberAnswer } from "../cluster/compare.ts";
import type { MemberClients } from "../cluster/member-clients.ts";
import type { Candidate, Selection } from "../cluster/select.ts";
import { otherMembersAt } from "../cluster/sole-member.ts";
import type { SnapshotPeek } from "../etcd-files/check/peek.ts";
import type { HashKvRequest, HashKvResult } from "../etcd-files/mvcc/hash-kv.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { CallOptions, Runtime } from "../runtime.ts";

/** Longest wait for one member's HashKV: it scans its whole keyspace, 0.3 s per gigabyte where nothing else is going on. */
const MEMBER_LIMIT_MS = 60_000;

export type WhichMembers = "all" | "others" | "none";

/** One round of questions, all at the same revision. */
export interface Answers {
  readonly revision: Revision;
  readonly answers: readonly MemberAnswer[];
  /** Why the snapshot may be of another member than the serving one; undefined where it is that one's. */
  readonly doubt: string | undefined;
}

export interface Comparison {
  readonly agreement: Agreement | undefined;
  /** As the manifest says it. */
  readonly record: Manifest["comparison"];
}

export interface Asking extends CallOptions {
  readonly clients: MemberClients;
  readonly selection: Selection;
  readonly serving: Candidate;
  readonly which: "all" | "others";
  /** Members of which this save has snapshots already, because the serving one holds other data than those. */
  readonly contradictedBy: readonly MemberId[];
  /** Members that this save has given up, and why. */
  readonly givenUp: ReadonlyMap<MemberId, string>;
  readonly runtime: Runtime;
}

/** To be called as soon as the stream has begun. Asks the members for HashKV at `revision`. Rejects only with the signal's reason. */
export async function askMembers(revision: Revision, asking: Asking): Promise<Answers> {
  const doubt = await doubtOfServing(asking);
  return { revision, answers: await askAt(revision, asking), doubt };
}

/** To be called when the stream has ended. Asks once more where answers cannot be compared with the file that arrived; keeps the round in which more can. */
export async function askAgain(first: Answers, file: Pick<SnapshotPeek, "revision" | "compactRevision">, asking: Asking): Promise<Answers> {
  const doubt = first.doubt ?? (await doubtOfServing(asking));
  const usable = countUsable(first.answers, file);
  const reachable = first.answers.filter(({ outcome }) => outcome !== "unreachable").length;
  if (usable === reachable || file.revision === first.revision) return { ...first, doubt };
  const revision = file.revision as Revision;
  const answers = await askAt(revision, asking);
  return countUsable(answers, file) > usable ? { revision, answers, doubt } : { ...first, doubt };
}

function askAt(revision: Revision, { clients, selection, serving, which, givenUp, signal, runtime }: Asking): Promise<MemberAnswer[]> {
  const endpoints = new Map<MemberId, string>(selection.order.map(({ memberId, endpoint }) => [memberId, endpoint]));
  const unheard = selection.members.filter(({ id }) => givenUp.has(id) || !endpoints.has(id));
  const silent = new Map(unheard.map(({ id }) => [id, givenUp.get(id)]));
  const options = { silent, revision, which, serving: serving.memberId, leader: selection.leader, members: selection.members, endpoints };
  return compareHashes(clients, { ...options, memberLimitMs: MEMBER_LIMIT_MS, signal, runtime });
}

async function doubtOfServing({ clients, serving, signal, runtime }: Asking): Promise<string | undefined> {
  const doubt = await otherMembersAt(clients.at(serving.endpoint), serving.memberId, { signal });
  if (doubt !== undefined) runtime.log({ level: "warn", message: `${doubt}; give --endpoints that lead to one member each` });
  return doubt;
}

/** The hashes to compute from the file: its own first, as a manifest has it, then one for each compaction revision that a member answered with. */
export function hashesToCompute(answers: Answers | undefined): HashKvRequest[] {
  const compactRevisions = new Set((answers?.answers ?? []).flatMap((answer) => (answer.outcome === "answered" ? [answer.compactRevision] : [])));
  return [{ revision: 0n }, ...[...compactRevisions].map((compactRevision) => ({ revision: answers!.revision, compactRevision }))];
}

/** Judges the answers by the file's hashes for `hashesToCompute`. */
export function compareWithMembers(
  { revision, answers, doubt }: Answers,
  computed: readonly HashKvResult[],
  { selection, serving, which, contradictedBy }: Omit<Asking, "clients" | "givenUp" | "signal" | "runtime">,
): Comparison {
  const { memberId, name, endpoint } = serving;
  const asked = answers.some((answer) => answer.memberId === memberId);
  const agreement = judgeAgreement({
    revision,
    serving: memberId,
    servingIsSure: doubt === undefined,
    members: selection.members,
    answers: doubt === undefined || asked ? answers : [{ memberId, name, endpoint, outcome: "not-comparable", why: doubt }, ...answers],
    contradictedBy,
    fileHash: (at, compactRevision) => {
      const same = normal(compactRevision);
      const found = computed.find((result) => result.revision === at && normal(result.compactRevision) === same);
      return found ?? { notComparable: "the file's HashKV for this member's last compaction was not computed" };
    },
  });
  return {
    agreement,
    record: {
      asked: which,
      why: null,
      revision: revision.toString(),
      members: agreement.members.map((member) => ({
        id: formatId(member.memberId),
        name: member.name,
        endpoint: member.endpoint ?? null,
        serving: member.serving,
        outcome: member.outcome,
        why: member.outcome === "not-comparable" || member.outcome === "unreachable" ? (member.why ?? null) : null,
        compactRevision: member.compactRevision === undefined ? null : normal(member.compactRevision).toString(),
        hash: member.hash ?? null,
        fileHash: member.fileHash ?? null,
      })),
    },
  };
}

/**
 * The backup that makes it needless to compare the members again: the last one that compared them, if it is of this cluster, no older than `everyMs`,
 * and found nobody with other data, but a majority with this (or the only member there is). `manifests`: newest first.
 */
export function comparedLately(
  manifests: readonly Manifest[],
  { clusterId, nowMs, everyMs }: { readonly clusterId: string; readonly nowMs: number; readonly everyMs: number },
): Manifest | undefined {
  const last = manifests.find(({ comparison }) => comparison.members.some(({ outcome }) => outcome === "agreed" || outcome === "disagreed"));
  if (last === undefined || last.clusterId !== clusterId) return undefined;
  const { members } = last.comparison;
  const settled = last.state === "proven" ? members.every(({ outcome }) => outcome !== "disagreed") : members.every(({ outcome }) => outcome === "agreed");
  // One from the future tells of a wrong clock, and would be recent for as long as it takes.
  const ageMs = nowMs - Date.parse(last.createdAt);
  return settled && ageMs >= 0 && ageMs <= everyMs ? last : undefined;
}

/** Members that were not asked, and why. */
export function notCompared(why: string): Comparison {
  return { agreement: undefined, record: { asked: "none", why, revision: null, members: [] } };
}

/** A file gives hashes for its own compaction revision and later ones. */
function countUsable(answers: readonly MemberAnswer[], file: Pick<SnapshotPeek, "compactRevision">): number {
  return answers.filter((answer) => answer.outcome === "answered" && normal(answer.compactRevision) >= normal(file.compactRevision)).length;
}

/** -1 and 0 both mean that nothing was compacted. */
function normal(compactRevision: bigint): bigint {
  return compactRevision <= 0n ? -1n : compactRevision;
}
