// What an agent does, each as the command of that name does it.
import type { TaskKind } from "../agent/status.ts";
import type { RunEnd } from "../agent/task.ts";
import { listBriefly } from "../repository/catalogue.ts";
import { openToWrite } from "../repository/repository.ts";
import { distinctPlaces } from "../storage/place.ts";
import { dueForVerification } from "../verify/due.ts";
import { verifyBackups } from "../verify/verify.ts";
import type { Invocation, RunCommand } from "./command.ts";
import { CORRUPT, PARTLY_DONE } from "./exit-codes.ts";
import { inRepository } from "./in-repository.ts";
import { pruned } from "./prune.ts";
import { type ReportedRun, runReported } from "./reporting.ts";
import { author, openForVerifying, openNamedStorage } from "./repository.ts";
import { typedRules } from "./retention-policy.ts";
import { RunRecord } from "./run-record.ts";
import type { Verified } from "./verified-text.ts";
import { verifyOptions } from "./verify-options.ts";

/** Nothing of it goes to standard output. */
const SILENT: Invocation["output"] = { format: "json", print: () => undefined };

/** `invocation`: with the configuration as it is now. `isAsked`: by somebody, not by a schedule. */
export async function runTask(kind: TaskKind, invocation: Invocation, { isAsked }: { readonly isAsked: boolean }): Promise<ReportedRun> {
  const run = await RUNS[kind](isAsked);
  return runReported({ ...invocation, ...AS[kind](invocation), output: SILENT, operands: [] }, run, {
    record: new RunRecord(invocation.runtime),
    wantsFacts: true,
  });
}

export function runEnd({ facts, error, lines }: ReportedRun): RunEnd {
  if (facts.failure === null) return { failure: null, lines };
  const [message, hint] = error === undefined ? [worstOf(lines) ?? facts.failure, ""] : [error.message, error.hint];
  return { failure: { reason: facts.failure, message, hint }, lines, error };
}

/** Of RunRecord's lines: which backup is bad says more than how many are good, which comes after it. */
function worstOf(lines: readonly string[]): string | undefined {
  const bad = [": damaged: ", ": not read: "].map((mark) => lines.filter((line) => line.includes(mark))).find(({ length }) => length > 0);
  return bad === undefined || bad.length === 1 ? (bad ?? lines).at(-1) : `${bad[0]}, and ${bad.length - 1} more`;
}

const RUNS: Readonly<Record<TaskKind, (isAsked: boolean) => Promise<RunCommand>>> = {
  save: async () => (await import("./commands/save.ts")).run,
  verify: async (isAsked) => (invocation) => verifyStored(invocation, isAsked),
  prune: async () => pruneAll,
};

/** One heartbeat is that of the saves: another's success must not stand for theirs. */
const AS: Readonly<Record<TaskKind, (invocation: Invocation) => Pick<Invocation, "command" | "config" | "faults">>> = {
  save: ({ config, faults }) => ({ command: "save", config: config.get("prune") ? config : config.without(typedRules(config)), faults }),
  verify: (invocation) => ({ command: "verify", ...withoutHeartbeat(invocation) }),
  prune: (invocation) => ({ command: "prune", ...withoutHeartbeat(invocation) }),
};

function withoutHeartbeat({ config, faults }: Invocation): Pick<Invocation, "config" | "faults"> {
  const names = ["heartbeat", "heartbeat-file"] as const;
  return { config: config.without(names), faults: faults.filter(({ key }) => names.every((name) => name !== key)) };
}

async function inEach(invocation: Invocation, work: (one: Invocation) => Promise<void>): Promise<void> {
  for (const location of distinctPlaces(invocation.config.all("repository"))) await work(inRepository(invocation, location));
}

async function verifyStored(invocation: Invocation, isAsked: boolean): Promise<number> {
  const { config, runtime } = invocation;
  const cluster = config.get("cluster");
  const atDefaultLevel = config.origin("level").kind === "default";
  const options = { ...(await verifyOptions(invocation, config.get("level"))), atDefaultLevel };
  let exitCode = 0;
  const all: Verified[] = [];
  await inEach(invocation, async (one) => {
    const repository = await openForVerifying(one);
    const { level, keys } = options;
    const wanted = { level, hasKeys: keys !== undefined, againAfterMs: config.get("verify-again-after"), isAsked, now: runtime.now() };
    const ids = dueForVerification(await listBriefly(repository, cluster, one), wanted);
    const names = ids.map((id) => ({ cluster, id }));
    const verified = await verifyBackups(repository, names, await author(), options);
    one.record?.noteVerified(verified);
    all.push(...verified);
    const passed = verified.filter(({ outcome }) => outcome === "passed").length;
    one.record?.lines.push(names.length === 0 ? "nothing was due to be read back" : `${passed} of ${names.length} read back and good`);
    if (verified.some(({ outcome }) => outcome === "failed")) exitCode = CORRUPT;
    else if (exitCode === 0 && verified.some(({ outcome }) => outcome === "not-verified")) exitCode = PARTLY_DONE;
  });
  // What is damaged is due each time: where nothing was found so, nothing is on record as such.
  invocation.record?.noteLook(cluster, options.level, all);
  return exitCode;
}

async function pruneAll(invocation: Invocation): Promise<number> {
  let exitCode = 0;
  await inEach(invocation, async (one) => {
    // The agent's lease is that of the first one; in the others it takes theirs.
    const isFirst = one.config.get("repository") === invocation.config.get("repository");
    const { lease, ...without } = one;
    const { result } = await pruned(isFirst ? one : without, await openToWrite(await openNamedStorage(one), one));
    one.record?.notePrune(result);
    if (result.failures.length > 0) exitCode = PARTLY_DONE;
  });
  return exitCode;
}
