// Whether the members hold what the file holds: pure, from their HashKV answers and the file's own hashes. Two hashes can be compared only at the same
// revision with the same compaction revision (etcd-formats §5.1), so the file is hashed with each member's.
import { formatId, type MemberId, type Revision } from "../bytes/u64.ts";
import type { ClusterMember } from "../proto/rpc-cluster.ts";
import type { MemberAnswer } from "./compare.ts";

export type FileHash = { readonly hash: number } | { readonly notComparable: string };

export interface AgreementInput {
  readonly revision: Revision;
  readonly serving: MemberId;
  /** Whether the file is known to be of the serving member. */
  readonly servingIsSure: boolean;
  readonly members: readonly ClusterMember[];
  readonly answers: readonly MemberAnswer[];
  /** Members of which snapshots were taken shortly before, and the serving member held other data than those. */
  readonly contradictedBy: readonly MemberId[];
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
   * other data. `split`: some hold other data, and neither side is known to be a majority. `unconfirmed`: nobody is known to hold other data, and
   * no majority to hold this. A member that did not answer counts as one that does not agree.
   */
  readonly verdict: "proven" | "unconfirmed" | "split" | "minority";
  readonly why: string;
  readonly members: readonly MemberAgreement[];
}

export function judgeAgreement(input: AgreementInput): Agreement {
  const members = input.answers.map((answer) => judge(answer, input));
  const voters = input.members.filter(({ isLearner }) => !isLearner);
  const majority = majorityOf(voters.length);
  const disagreed = members.filter(({ outcome }) => outcome === "disagreed");
  // The file is what the serving member holds, unless that member itself now says otherwise; where the file may be of another one, it has to say so itself.
  const own = members.find(({ serving }) => serving)?.outcome;
  const servingAgrees = voters.some(({ id }) => id === input.serving) && (input.servingIsSure ? own !== "disagreed" : own === "agreed");
  const others = members.filter(({ outcome, serving }) => outcome === "agreed" && !serving);
  const agreed = others.length + Number(servingAgrees);
  const counts = inWords(members, { voters, agreed, others: others.length });
  const shortOf = `${counts}; a majority is ${majority}`;
  if (possibleMajority(disagreed, voters.length).length > 0) return { verdict: "minority", why: counts, members };
  if (agreed >= majority && voters.length > 1) return { verdict: "proven", why: counts, members };
  const contradicting = [...disagreed.map(({ memberId }) => memberId), ...contradictions(input, members)];
  if (contradicting.length > 0) return { verdict: "split", why: `${whoHold(contradicting, input)}, and no majority decides: ${shortOf}`, members };
  if (voters.length === 1) return { verdict: "unconfirmed", why: "the cluster has only one member to compare with", members };
  return { verdict: "unconfirmed", why: shortOf, members };
}

interface Counts {
  readonly voters: readonly ClusterMember[];
  /** Voting members that count for the file's data, and how many of them are others than the serving one. */
  readonly agreed: number;
  readonly others: number;
}

/** How many hold what. A serving member that cannot be compared has sent this data, and is not said to hold it. */
function inWords(members: readonly MemberAgreement[], { voters, agreed, others }: Counts): string {
  const voting = members.filter(({ memberId }) => voters.some(({ id }) => id === memberId));
  const ofOutcome = (outcome: MemberAgreement["outcome"]) => voting.filter((member) => member.outcome === outcome);
  const sender = agreed > others ? ofOutcome("not-comparable").find(({ serving }) => serving) : undefined;
  const holding = sender === undefined ? agreed : others;
  const [disagreed, silent] = [members.filter(({ outcome }) => outcome === "disagreed").length, ofOutcome("unreachable").length];
  const notComparable = Map.groupBy(ofOutcome("not-comparable"), ({ why }) => why);
  return [
    holding === 0
      ? `none of ${voters.length} voting members is known to hold this data`
      : `${holding} of ${voters.length} voting members ${holding === 1 ? "holds" : "hold"} this data${sender === undefined ? "" : `, which ${nameOf(sender)} has sent`}`,
    ...(disagreed === 0 ? [] : [`${disagreed} ${disagreed === 1 ? "holds" : "hold"} other data`]),
    ...(silent === 0 ? [] : [`${silent} did not answer`]),
    ...[...notComparable].map(([why, those]) => `${those.map(nameOf).join(", ")} cannot be compared (${why})`),
  ].join(", ");
}

function nameOf({ name, memberId }: MemberAgreement): string {
  return name || formatId(memberId);
}

/** More than half of all that vote, whether they answer or not. */
function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * Of the members that hold other data than the file, those that a majority may agree with: each with all whose hashes do not tell them apart from it.
 * None when the members are known to be split so that no majority is left.
 */
export function possibleMajority<Member extends ComparedMember>(members: readonly Member[], voters: number): Member[] {
  return members.filter((one) => one.outcome === "disagreed" && members.filter((other) => mayHoldTheSame(one, other)).length >= majorityOf(voters));
}

/** As an agreement and as a manifest have it. */
interface ComparedMember {
  readonly outcome: MemberAgreement["outcome"];
  readonly compactRevision?: Revision | string | null;
  readonly hash?: number | null;
}

/** Hashes tell two members apart only if their compaction revisions are equal. One that is unreachable will not be more of a help to another snapshot. */
function mayHoldTheSame(one: ComparedMember, other: ComparedMember): boolean {
  if (other.outcome === "agreed" || other.outcome === "unreachable") return false;
  return other.hash === one.hash || other.compactRevision !== one.compactRevision;
}

/** Those that contradicted the serving member before, and have not been compared with it this time. */
function contradictions({ contradictedBy }: AgreementInput, members: readonly MemberAgreement[]): MemberId[] {
  const compared = members.filter(({ outcome }) => outcome === "agreed" || outcome === "disagreed");
  return contradictedBy.filter((id) => !compared.some(({ memberId }) => memberId === id));
}

function whoHold(ids: readonly MemberId[], { members, serving }: AgreementInput): string {
  const names = ids.map((id) => `${members.find((member) => member.id === id)?.name || formatId(id)}${id === serving ? " itself" : ""}`);
  return `${names.join(", ")} ${names.length === 1 ? "holds" : "hold"} other data`;
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
