// Whether the cluster that a restore replaces may still have its quorum, and so needs none. Pure.
import { type FormerMember, urlsOf } from "./former-members.ts";
import type { LivenessSubject, Seen } from "./liveness.ts";

/** More than half of the former cluster's members. */
export interface FormerQuorum {
  readonly answering: number;
  readonly members: number;
}

/** Null where no majority of it answers, or it has one member only. */
export function formerQuorum({ clusterId }: Pick<LivenessSubject, "clusterId">, { answers, former }: Pick<Seen, "answers" | "former">): FormerQuorum | null {
  const answering = new Set<string>();
  // What a peer URL lists is the membership as it is now; the source's may be an old one.
  let listed = 0;
  for (const { url, answer } of answers) {
    if (answer.kind !== "etcd" || answer.clusterId === null || answer.clusterId === clusterId) continue;
    const isItself = (member: FormerMember) => urlsOf(member).includes(url) && answer.memberIds.includes(member.id);
    const member = former.find(isItself);
    if (member === undefined) continue;
    answering.add(member.id);
    listed = Math.max(listed, answer.memberIds.length);
  }
  const members = listed > 1 ? listed : new Set(former.map(({ id }) => id)).size;
  return members > 1 && answering.size > members / 2 ? { answering: answering.size, members } : null;
}

/** What to think of before a restore. */
export function quorumText({ answering, members }: FormerQuorum): string {
  return (
    `${answering} of the former cluster's ${members} members answer, which is a majority: its quorum may not be lost, and then nothing has to be restored. ` +
    `A member that fails is replaced with \`etcdctl member remove\` and \`etcdctl member add\`: docs/disaster.md, "is the quorum really lost?".`
  );
}
