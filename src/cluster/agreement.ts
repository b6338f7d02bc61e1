// Whether the members hold what the file holds: pure, from their HashKV answers and the file's own hashes. Two hashes can be compared only at the same
// revision with the same compaction revision (etcd-formats §5.1), so the file is hashed with each member's.
import type { MemberId, Revision } from "../bytes/u64.ts";
import type { ClusterMember } from "../proto/rpc-cluster.ts";
import type { MemberAnswer } from "./compare.ts";

export type FileHash = { readonly hash: number } | { readonly notComparable: string };

export interface AgreementInput {
  readonly revision: Revision;
  readonly serving: MemberId;
  readonly members: readonly ClusterMember[];
  readonly answers: readonly MemberAnswer[];
  /** The file's HashKV at `revision`, computed with a member's compaction revision. */
  readonly fileHash: (revision: Revision, compactRevision: Revision) => FileHash;
}

export interface MemberAgreement {
  readonly memberId: MemberId;
  readonly name: string;
  readonly endpoint: string | undefined;
  readonly serving: boolean;
  readonly outcome: "agreed" | "disagreed" | "not-comparable" | "unreachable";
  /** Absent when agreed. */
  readonly why?: string;
  readonly compactRevision?: Revision;
  readonly hash?: number;
  readonly fileHash?: number;
}

export interface Agreement {
  /**
   * `proven`: a majority of all voting members holds the file's data, and there are others than the serving one. `minority`: a majority holds
   * something else. `unconfirmed`: neither could be shown. A member that did not answer counts as one that does not agree.
   */
  readonly verdict: "proven" | "unconfirmed" | "minority";
  readonly why: string;
  readonly members: readonly MemberAgreement[];
}

export function judgeAgreement(input: AgreementInput): Agreement {
  const members = input.answers.map((answer) => judge(answer, input));
  const voters = input.members.filter(({ isLearner }) => !isLearner);
  const majority = Math.floor(voters.length / 2) + 1;
  const disagreed = members.filter(({ outcome }) => outcome === "disagreed");
  // The file is what the serving member holds, unless that member itself now says otherwise.
  const servingAgrees = voters.some(({ id }) => id === input.serving) && !disagreed.some(({ serving }) => serving);
  const others = members.filter(({ outcome, serving }) => outcome === "agreed" && !serving);
  const agreed = others.length + Number(servingAgrees);
  const counts = `${agreed} of ${voters.length} voting members hold this data${disagreed.length === 0 ? "" : `, ${disagreed.length} hold other data`}`;
  if (disagreed.length >= majority) return { verdict: "minority", why: counts, members };
  if (voters.length === 1 && disagreed.length === 0) return { verdict: "unconfirmed", why: "the cluster has only one member to compare with", members };
  if (agreed >= majority) return { verdict: "proven", why: counts, members };
  return { verdict: "unconfirmed", why: `${counts}; a majority is ${majority}`, members };
}

function judge(answer: MemberAnswer, { revision, serving, fileHash }: AgreementInput): MemberAgreement {
  const member = { memberId: answer.memberId, name: answer.name, endpoint: answer.endpoint, serving: answer.memberId === serving };
  if (answer.outcome !== "answered") return { ...member, outcome: answer.outcome, why: answer.why };
  const { hash, compactRevision } = answer;
  const file = fileHash(revision, compactRevision);
  if ("notComparable" in file) return { ...member, outcome: "not-comparable", why: file.notComparable, compactRevision, hash };
  const compared = { ...member, compactRevision, hash, fileHash: file.hash };
  if (file.hash === hash) return { ...compared, outcome: "agreed" };
  return { ...compared, outcome: "disagreed", why: `its HashKV at revision ${revision} is ${hash}, the file's ${file.hash}` };
}
