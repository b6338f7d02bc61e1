// Saves a live etcd: chooses a member, takes its snapshot, checks it, stores it; turns to another member when one fails or stands alone with its data.
// 1. Every endpoint is asked how it is; the best voter is taken, the others are whom to turn to.
// 2. The repository is asked whether this cluster may write under the name, before etcd is made to work.
// 3. The snapshot is received, then checked while it is uploaded; its manifest, written last, makes it a backup.
// 4. When other members hold other data, and no majority this, the backup is stored as suspect, and one is taken of a member that a majority may agree with.
import { tmpdir } from "node:os";
import { openSpool } from "../bytes/spool.ts";
import { formatId, type MemberId } from "../bytes/u64.ts";
import { possibleMajority } from "../cluster/agreement.ts";
import type { ConnectionOptions } from "../cluster/connection-options.ts";
import { parseEndpoint } from "../cluster/endpoint.ts";
import { type MemberClients, openClients } from "../cluster/member-clients.ts";
import { memberClockOffset } from "../cluster/member-clock.ts";
import { type Candidate, type Selection, selectMember } from "../cluster/select.ts";
import { survey } from "../cluster/survey.ts";
import { ERRORS, EtcdsafeError, whyStopped } from "../errors.ts";
import type { ObservedCluster } from "../repository/cluster-file.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { WhichMembers } from "./comparison.ts";
import { observeCluster } from "./observe.ts";
import type { Saved, SaveResult, SaveTarget } from "./save-target.ts";
import { etcdDatabaseOnSameDisk } from "./shared-disk.ts";
import type { SavePhase, TakeOptions } from "./take.ts";
import { isThisHost } from "./this-host.ts";

export interface SaveRequest {
  readonly connection: ConnectionOptions;
  /** Name, id or endpoint of the member to save from, and from no other. */
  readonly member?: string | undefined;
  readonly checkMembers: WhichMembers;
  readonly stallLimitMs: number;
  /** Undefined: no local copy. */
  readonly spoolDirectory: string | undefined;
  readonly target: SaveTarget;
}

export type SaveOptions = CallOptions & { readonly runtime: Runtime };

const ATTEMPT_LIMIT_MS = 10_000;

/** The system's temporary directory, where --spool-dir names no other. */
export const DEFAULT_SPOOL_DIRECTORY: string = tmpdir();

/**
 * Rejects with what was wrong with the member that was tried last; when others failed after one whose data is suspect, with that, since they have
 * refuted nothing. Nothing is listed then that is not whole.
 */
export async function save(request: SaveRequest, options: SaveOptions): Promise<SaveResult> {
  const { runtime, signal } = options;
  await using clients = openClients(request.connection);
  const selection = await selected(clients, request, options);
  report(selection, request, runtime);
  const observed = await observeCluster(clients, selection, options);
  await request.target.prepare(observed, options);
  let compared = await request.target.comparedAlready(options);
  const taken = { clients, selection, signal, runtime, stallLimitMs: request.stallLimitMs, memberClockMs: null };
  const suspects: Saved[] = [];
  const contradictedBy: MemberId[] = [];
  const givenUp = new Map<MemberId, string>();
  let candidates = [...selection.order];
  let suspicion: EtcdsafeError | undefined;
  for (let serving = candidates.shift(); serving !== undefined; serving = candidates.shift()) {
    const which = compared === undefined ? request.checkMembers : "none";
    const whyNone = compared ?? "it was not asked for (--check-members none)";
    let phase: SavePhase = "connect";
    const onPhase = (next: SavePhase) => {
      phase = next;
      runtime.log({ level: "debug", message: "next phase", fields: { phase: next } });
    };
    try {
      const saved = await saveFrom(serving, request, observed, { ...taken, serving, which, whyNone, contradictedBy, givenUp, onPhase });
      if (saved.state !== "suspect") {
        warnOfDifferences(saved, runtime);
        return { saved, suspects };
      }
      suspects.push(saved);
      contradictedBy.push(serving.memberId);
      suspicion = suspicionOf(serving, saved, selection, request);
      const elsewhere = possibleMajority(saved.members, votersOf(selection)).map(({ id }) => id);
      candidates = candidates.filter(({ memberId }) => elsewhere.includes(formatId(memberId)));
      if (candidates.length === 0) warnOfDifferences(saved, runtime);
      else runtime.log({ level: "warn", message: `${suspicion.message}; taking a snapshot of a member that a majority may agree with` });
    } catch (error) {
      if (signal.aborted) throw whyStopped(error, signal);
      await request.target.failed(error, phase, options);
      if (!mayTryAnother(error)) throw error;
      if (!sentBadData(error)) givenUp.set(serving.memberId, error.message);
      const [next] = candidates;
      if (next === undefined && suspicion === undefined) throw error;
      runtime.log({ level: "warn", message: `${(error as Error).message}${next === undefined ? "" : `; trying ${next.endpoint}`}` });
      // That a member sends bad data is news since the members were compared.
      if (sentBadData(error)) compared = undefined;
    }
  }
  throw suspicion;
}

/** That nobody could be saved from is what an operator has to hear of. */
async function selected(clients: MemberClients, { connection, member, target }: SaveRequest, options: SaveOptions): Promise<Selection> {
  const { signal } = options;
  try {
    return selectMember(await survey(clients, connection.endpoints, { signal, ...(member === undefined ? {} : { member }) }), member);
  } catch (error) {
    signal.throwIfAborted();
    // A store that does not answer either must not keep the error back.
    await target.failed(error, "connect", { ...options, signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_LIMIT_MS)]) });
    signal.throwIfAborted();
    throw error;
  }
}

async function saveFrom(serving: Candidate, request: SaveRequest, observed: ObservedCluster, take: TakeOptions): Promise<Saved> {
  const { spoolDirectory, target } = request;
  const { host, port } = parseEndpoint(serving.endpoint, request.connection);
  const isHere = isThisHost(host);
  // A member on this host has our clock, which says nothing of it.
  const memberClockMs = isHere ? null : await memberClockOffset(serving.endpoint, request.connection, take);
  if (spoolDirectory === undefined) return target.passOn(observed, { ...take, memberClockMs });
  await using spool = await (target.openSpool?.(serving.dbSizeBytes) ?? openSpool(spoolDirectory, serving.dbSizeBytes));
  const beside = isHere ? await etcdDatabaseOnSameDisk(spool.directory, port) : undefined;
  if (beside !== undefined) {
    const [what, remedy] = target.openSpool === undefined ? ["the spool", "give --spool-dir"] : ["the output file", "name one"];
    take.runtime.log({
      level: "warn",
      message: `${what} in ${spool.directory} shares a disk with ${beside}: ${remedy} on another one, so that etcd's writes do not wait for it`,
    });
  }
  return await target.store(observed, spool, { ...take, memberClockMs }); // Awaited here, or the spool would be closed first.
}

function report({ order, passedOver, quorum }: Selection, { connection }: SaveRequest, runtime: Runtime): void {
  const [best] = order;
  runtime.log({ level: "info", message: `saving from ${best!.endpoint}${best!.name === "" ? "" : ` (${best!.name})`}: ${best!.reasons.join(", ")}` });
  for (const { endpoint, reason } of passedOver) {
    const named = reason.startsWith(`${endpoint}: `); // As errors of the connection are.
    runtime.log({ level: "warn", message: `not from ${named ? "" : `${endpoint}: `}${reason}` });
  }
  if (quorum) return;
  const login = connection.user === undefined ? "" : ". A login by password needs a quorum; a client certificate does not";
  runtime.log({
    level: "warn",
    message: `the cluster has no quorum: what ${best!.endpoint} holds is saved as it is, and may lack the newest writes, or hold some that were never acknowledged${login}`,
  });
}

function warnOfDifferences({ members }: Saved, runtime: Runtime): void {
  const different = members.filter(({ outcome }) => outcome === "disagreed");
  for (const { name, id, hash, fileHash } of different)
    runtime.log({ level: "warn", message: `${name || id} holds other data than this snapshot (HashKV ${hash} instead of ${fileHash})` });
  if (different.length > 0) runtime.log({ level: "warn", message: ERRORS.MEMBER_IN_MINORITY.hint });
}

/** Trying another member helps where this one, or the way to it, is at fault. */
function mayTryAnother(error: unknown): error is EtcdsafeError {
  return error instanceof EtcdsafeError && (ERRORS[error.code].exit === 4 || sentBadData(error));
}

function sentBadData({ code }: EtcdsafeError): boolean {
  return code === "SNAPSHOT_HASH_MISMATCH" || code === "SNAPSHOT_DAMAGED" || code === "SNAPSHOT_TRUNCATED";
}

function suspicionOf(serving: Candidate, { members, stateWhy, manifest, file }: Saved, selection: Selection, { member }: SaveRequest): EtcdsafeError {
  const who = serving.name || serving.endpoint;
  const disagreed = members.filter(({ outcome }) => outcome === "disagreed");
  const place = manifest?.id ?? file;
  const kept = `; the snapshot of ${who} is ${place === null ? "not kept" : `kept as suspect, ${place}`}${member === undefined ? "" : ", and no other member was tried, as --member demands"}`;
  if (possibleMajority(disagreed, votersOf(selection)).length === 0)
    return new EtcdsafeError("MEMBERS_DISAGREE", `the members hold different data, and ${who} may be wrong: ${stateWhy}${kept}`);
  const others = disagreed.map((other) => (other.serving ? "it says itself" : other.name || other.id));
  return new EtcdsafeError("MEMBER_IN_MINORITY", `${who} holds other data than ${others.join(", ")}: ${stateWhy}${kept}`);
}

function votersOf({ members }: Selection): number {
  return members.filter(({ isLearner }) => !isLearner).length;
}
