// Asks the voting members for HashKV at one revision: one after the other, the leader last, each with a deadline, because a member that scans does
// not write meanwhile. What the answers mean for a backup is agreement.ts.
import { formatId, type MemberId, type Revision } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import type { ClusterMember } from "../proto/rpc-cluster.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { MemberClient } from "./channel.ts";
import { type HashRefusal, hashKv } from "./hashkv.ts";
import type { MemberClients } from "./member-clients.ts";
import { status } from "./status.ts";

/** How long to wait before a member that lags is asked again. */
const LAG_PAUSE_MS = 200;
/** Longest wait for a sign of life of a member that gave none before. Its HashKV may take much longer, but not to answer that it lives. */
const SIGN_OF_LIFE_LIMIT_MS = 5_000;
/** Whom is waited for longer than this is told. */
const TOLD_AFTER_MS = 2_000;

export interface CompareOptions extends CallOptions {
  /** The revision to hash. Read linearizably before the snapshot, so that no member that is up to date lags behind it. */
  readonly revision: Revision;
  /** `others`: all but the serving member. */
  readonly which: "all" | "others";
  readonly serving: MemberId;
  readonly leader: MemberId | undefined;
  readonly members: readonly ClusterMember[];
  /** Where members are known to answer, ahead of the client URLs they advertise. */
  readonly endpoints: ReadonlyMap<MemberId, string>;
  /** Members that may be silent, with what became of them before where something did: they have to give a sign of life first. */
  readonly silent: ReadonlyMap<MemberId, string | undefined>;
  /** For one member, its retries included. */
  readonly memberLimitMs: number;
  readonly runtime: Pick<Runtime, "sleep" | "monotonicMs" | "log">;
}

/** `endpoint`: where it answered, or was last tried. */
export type MemberAnswer = { readonly memberId: MemberId; readonly name: string; readonly endpoint: string | undefined } & (
  | { readonly outcome: "answered"; readonly hash: number; readonly compactRevision: Revision }
  | { readonly outcome: "not-comparable" | "unreachable"; readonly why: string }
);

type Outcome =
  | Omit<Extract<MemberAnswer, { outcome: "answered" }>, "memberId" | "name">
  | Omit<Exclude<MemberAnswer, { outcome: "answered" }>, "memberId" | "name">;

/** One answer per member asked. Rejects only with the signal's reason. */
export async function compareHashes(clients: MemberClients, options: CompareOptions): Promise<MemberAnswer[]> {
  const asked = options.members.filter((member) => !member.isLearner && (options.which === "all" || member.id !== options.serving));
  asked.sort((a, b) => Number(a.id === options.leader) - Number(b.id === options.leader));
  const answers: MemberAnswer[] = [];
  for (const member of asked) {
    answers.push({ memberId: member.id, name: member.name, ...(await askWithin(clients, member, options)) });
  }
  return answers;
}

async function askWithin(clients: MemberClients, member: ClusterMember, options: CompareOptions): Promise<Outcome> {
  const limit = AbortSignal.timeout(options.memberLimitMs);
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, limit, over.signal]);
  try {
    tellOfWait(member, { ...options, signal });
    return await askAnywhere(clients, member, { ...options, signal, limit, caller: options.signal });
  } finally {
    over.abort();
  }
}

interface Limits {
  readonly limit: AbortSignal;
  /** Without the limit. */
  readonly caller: AbortSignal;
}

/** At the first of its URLs where it answers. */
async function askAnywhere(clients: MemberClients, member: ClusterMember, options: CompareOptions & Limits): Promise<Outcome> {
  const before = options.silent.get(member.id);
  const urls = [...new Set([options.endpoints.get(member.id), ...member.clientUrls].filter((url) => url !== undefined))];
  let why = member.name === "" ? "it has not started yet" : "it advertises no client URL";
  for (const url of urls) {
    try {
      const client = reach(clients, url);
      if (options.silent.has(member.id)) await status(client, { signal: options.signal, limitMs: SIGN_OF_LIFE_LIMIT_MS });
      return { endpoint: url, ...(await ask(client, member, options)) };
    } catch (error) {
      options.caller.throwIfAborted();
      if (options.limit.aborted) return { outcome: "unreachable", endpoint: url, why: `${url}: no answer within ${options.memberLimitMs} ms` };
      if (!(error instanceof EtcdsafeError)) throw error;
      why = error.message;
    }
  }
  return { outcome: "unreachable", endpoint: urls.at(-1), why: before === undefined ? why : `${why}; before that, ${before}` };
}

function tellOfWait({ id, name }: ClusterMember, { runtime, signal, silent, memberLimitMs }: CompareOptions): void {
  const limit = silent.has(id) ? `${SIGN_OF_LIFE_LIMIT_MS / 1000} s if it gives no sign of life` : `${memberLimitMs / 1000} s`;
  const message = `waiting for the HashKV of ${name || formatId(id)}, for up to ${limit}`;
  runtime.sleep(TOLD_AFTER_MS, signal).then(
    () => runtime.log({ level: "info", message }),
    () => undefined, // It has answered by then.
  );
}

/** Never takes a password to where it would travel in the clear, just because a member advertises such a URL. */
function reach(clients: MemberClients, url: string): MemberClient {
  if (clients.secure && url.startsWith("http:")) throw new EtcdsafeError("ETCD_UNREACHABLE", `${url}: advertised without TLS, which the given endpoints use`);
  return clients.at(url);
}

type Answer =
  | { readonly outcome: "answered"; readonly hash: number; readonly compactRevision: Revision }
  | { readonly outcome: "not-comparable"; readonly why: string };

/**
 * For the revision of a recent compaction a member answers with the hash it took while it compacted, and with the compaction revision of before
 * (etcd-formats §5.1, "cached-hash trap"). That is what a file gives that was not compacted yet; any other knows that it cannot tell (hash-kv.ts).
 */
async function ask(client: MemberClient, member: ClusterMember, options: CompareOptions): Promise<Answer> {
  const { revision, signal, runtime, memberLimitMs } = options;
  const giveUpAtMs = runtime.monotonicMs() + memberLimitMs;
  for (;;) {
    const answer = await hashKv(client, revision, { signal, limitMs: memberLimitMs });
    if (!("refused" in answer)) {
      if (answer.memberId === member.id) return { outcome: "answered", hash: answer.hash, compactRevision: answer.compactRevision };
      throw new EtcdsafeError("ETCD_UNREACHABLE", `${client.endpoint}: another member (${answer.memberId.toString(16)}) answers there`);
    }
    if (answer.refused !== "future revision" || runtime.monotonicMs() + LAG_PAUSE_MS >= giveUpAtMs) {
      return { outcome: "not-comparable", why: REFUSAL_WORDS[answer.refused](revision) };
    }
    await runtime.sleep(LAG_PAUSE_MS, signal);
  }
}

const REFUSAL_WORDS: Readonly<Record<HashRefusal, (revision: Revision) => string>> = {
  compacted: (revision) => `it has compacted its history up to revision ${revision} or beyond`,
  "future revision": (revision) => `it had not reached revision ${revision} in time`,
  learner: () => "it is a learner",
  "not implemented": () => "it does not know HashKV",
  "permission denied": () => "HashKV needs a user with the role root",
};
