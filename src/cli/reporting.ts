// A run of which somebody is told: metrics, a heartbeat, a message where it failed. None of that ever changes what the run does, nor that somebody could not be told how it ends.
import { hostname } from "node:os";
import { readHooks } from "../config/hooks.ts";
import { faultText } from "../config/origin.ts";
import { isAboutTelling } from "../config/reporting-options.ts";
import type { EtcdsafeError } from "../errors.ts";
import { OutOfTime } from "../http/report.ts";
import { type HttpSend, httpSender } from "../http/request.ts";
import { failureReason } from "../metrics/reasons.ts";
import type { RunAction, RunFacts } from "../metrics/run-facts.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Invocation, RunCommand } from "./command.ts";
import { PARTLY_DONE } from "./exit-codes.ts";
import { exitCodeFor, whyEnded } from "./interruption.ts";
import { readOperand } from "./operand.ts";
import { asEtcdsafeError, errorLines } from "./report-error.ts";
import { repositoryFacts } from "./repository-facts.ts";
import type { RunRecord } from "./run-record.ts";
import { version } from "./version.ts";

/** For all who are told, together: a run that is over must not wait for them for long. */
const TELLING_LIMIT_MS = 10_000;
/** The same of a run that is to stop: Kubernetes kills what has not ended 30 s after it was asked to, and dropping an upload may have taken 10 s of them. */
const HURRIED_LIMIT_MS = 5_000;
const IDLE_LIMIT_MS = 5_000;
/** What Prometheus calls the pushed metrics' job. */
const JOB = "etcdsafe";

/** How a run ended. */
export interface End {
  readonly exitCode: number;
  /** What ended it, where something did. */
  readonly error: EtcdsafeError | undefined;
}

/** A run that is over, of which everybody was told. */
export interface ReportedRun extends End {
  readonly facts: RunFacts;
  /** What it came to, for people. */
  readonly lines: readonly string[];
}

/** `onEnd`: told first, before anybody who has to be waited for. */
interface ReportOptions {
  readonly record: RunRecord;
  onEnd?(end: End): Promise<void>;
}

/** How `run` ended, after all were told of it. */
export async function reported(invocation: Invocation, run: RunCommand, options: ReportOptions): Promise<End> {
  const wantsFacts = invocation.config.get("textfile") !== undefined || invocation.config.get("pushgateway") !== undefined;
  return runReported(invocation, run, { ...options, wantsFacts });
}

/**
 * Tells of whatever becomes of `run`. `wantsFacts`: somebody asks how much is in the repository afterwards. Where it is not known whom to tell, that is a warning, the
 * others are told, and not all was done that was asked for.
 */
export async function runReported(
  invocation: Invocation,
  run: RunCommand,
  { record, onEnd, wantsFacts }: ReportOptions & { readonly wantsFacts: boolean },
): Promise<ReportedRun> {
  const { config, runtime, signal } = invocation;
  const { hooks, faults } = await readHooks(config);
  const untold = [...invocation.faults.filter(isAboutTelling), ...faults].map(faultText);
  for (const message of untold) runtime.log({ level: "warn", message });
  const { send } = await httpSender({ caFile: undefined, proxy: undefined, idleLimitMs: IDLE_LIMIT_MS, triesMax: 1 });
  const startedAt = runtime.now();
  record.isOfNoCluster = isOfFile(invocation);
  const pulse = hooks.heartbeat === undefined ? undefined : (await import("../notify/heartbeat.ts")).heartbeat(hooks.heartbeat, send, runtime);
  // Beside the run, which is not to wait for it.
  const starting = told(invocation, "the heartbeat", async () => pulse?.started({ signal }).catch(unlessAborted(signal)));
  const end = await ended(invocation, async () => {
    const exitCode = await run({ ...invocation, runtime: record.runtime(runtime), record });
    return exitCode === 0 && untold.length > 0 ? PARTLY_DONE : exitCode;
  });
  record.lines.push(...untold);
  await onEnd?.(end);
  const facts = factsOf(invocation, record, end, { startedAt });
  const lines = [...record.lines, ...errorLines(end.error)];
  const what = `etcdsafe ${invocation.command}${facts.clusters.length === 0 ? "" : ` of ${facts.clusters.map(({ cluster }) => cluster).join(", ")}`} on ${hostname()}`;
  const how = facts.failure === null ? (record.isDoubtful ? "wants to be looked at" : "is done") : `failed: ${facts.failure}`;
  using limit = tellingLimit(signal);
  const options = { signal: limit.signal, runtime };
  const listing = wantsFacts && invocation.command !== "verify" ? listed(invocation, record, options) : undefined;
  const tell = (whom: string, telling: () => Promise<void>) => told(invocation, whom, telling);
  await Promise.all([
    tell("the heartbeat", async () => {
      await starting; // Or it would seem to have begun after it ended.
      await pulse?.ended({ exitCode: end.exitCode, text: lines.join("\n") }, options);
    }),
    tell("the webhook", async () => {
      if (hooks.notify === undefined || (facts.failure === null && !record.isDoubtful)) return;
      const { postNotice } = await import("../notify/webhook.ts");
      await postNotice(hooks.notify, { title: `${what} ${how}`, lines }, send, options);
    }),
    tell("the metrics", async () => {
      await listing;
      if (!record.isOfNoCluster) await tellMetrics(invocation, facts, { send, options });
    }),
  ]);
  return { ...end, facts, lines };
}

async function ended(invocation: Invocation, run: () => Promise<number>): Promise<End> {
  try {
    return { exitCode: await run(), error: undefined };
  } catch (thrown) {
    const error = whyEnded(thrown, invocation.signal, invocation);
    return { exitCode: exitCodeFor(error), error };
  }
}

function factsOf(invocation: Invocation, record: RunRecord, { exitCode, error }: End, { startedAt }: { readonly startedAt: Date }): RunFacts {
  const { config, command, runtime } = invocation;
  const { saved, pruned, verified, looks, damaged, phases, moved, repositories } = record;
  const failure = failureReason(exitCode, error?.code);
  const clusters = record.isOfNoCluster
    ? []
    : config.get("all-clusters")
      ? [...record.exitCodes].map(([cluster, own]) => ({ cluster, failure: error === undefined ? failureReason(own, undefined) : failure }))
      : [{ cluster: config.get("cluster"), failure }];
  const action = command as RunAction; // Only these have the options that ask for it.
  return { action, clusters, startedAt, finishedAt: runtime.now(), failure, saved, pruned, verified, looks, damaged, phases, moved, repositories };
}

/** Notes what is in the repository. Nobody waits for that once the run is to stop. */
async function listed(invocation: Invocation, record: RunRecord, limit: CallOptions): Promise<void> {
  const { signal: stop } = invocation;
  const signal = AbortSignal.any([stop, limit.signal]);
  await told(invocation, "what is in the repository", async () => {
    if (stop.aborted) return;
    const facts = await repositoryFacts({ ...invocation, signal }).catch(unlessAborted(stop));
    record.repositories.push(...(facts ?? []));
  });
}

interface Telling {
  readonly send: HttpSend;
  readonly options: CallOptions & { readonly runtime: Runtime };
}

async function tellMetrics(invocation: Invocation, facts: RunFacts, { send, options }: Telling): Promise<void> {
  const { config, runtime } = invocation;
  const [path, url] = [config.get("textfile"), config.get("pushgateway")];
  if ((path === undefined && url === undefined) || !isClusterKnown(invocation)) return;
  const { createMetrics } = await import("../metrics/metrics.ts");
  const metrics = createMetrics(version());
  metrics.record(facts);
  const text = await metrics.text();
  await Promise.all([
    told(invocation, "the metrics", async () => {
      if (path === undefined) return;
      const { writeTextfile } = await import("../metrics/textfile.ts");
      const { unreadableLines } = await writeTextfile(path, text, options);
      if (unreadableLines > 0) runtime.log({ level: "warn", message: `${path} held ${unreadableLines} lines that are no metrics: they are gone` });
    }),
    told(invocation, "the metrics", async () => {
      if (url !== undefined) await (await import("../metrics/pushgateway.ts")).pushMetrics({ url, job: JOB, text }, send, options);
    }),
  ]);
}

/** Also where it is refused for that. */
function isOfFile({ command, operands: [operand] }: Invocation): boolean {
  return command === "verify" && operand !== undefined && operand !== "" && readOperand(operand).kind !== "backup";
}

/** Of a configuration that is refused, it may be what could not be read: a failure of a cluster that there is not would be told for ever. */
function isClusterKnown({ config, faults }: Invocation): boolean {
  if (config.origin("cluster").kind !== "default") return true;
  return !faults.some(({ key, origin }) => key === "cluster" || (key === undefined && origin.kind === "file"));
}

/** Whatever comes of it. Also where the run was interrupted: that is news. */
async function told({ runtime }: Invocation, what: string, tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (thrown) {
    const { message, hint } = thrown instanceof OutOfTime ? { message: `no answer within ${thrown.limitMs / 1000} s`, hint: "" } : asEtcdsafeError(thrown);
    runtime.log({ level: "warn", message: `${what}: ${[message, hint].filter((text) => text !== "").join(". ")}` });
  }
}

/** Of what is given up because of `stop`, nobody hears. */
function unlessAborted(stop: AbortSignal) {
  return (error: unknown): undefined => {
    if (!stop.aborted) throw error;
  };
}

/** Aborted with OutOfTime once they have had their time, of which there is less from when the run is to stop. */
function tellingLimit(stop: AbortSignal): CallOptions & Disposable {
  const over = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const endAfter = (limitMs: number) => void timers.push(setTimeout(() => over.abort(new OutOfTime(limitMs)), limitMs));
  const hurry = () => endAfter(HURRIED_LIMIT_MS);
  endAfter(TELLING_LIMIT_MS);
  if (stop.aborted) hurry();
  stop.addEventListener("abort", hurry);
  return {
    signal: over.signal,
    [Symbol.dispose]: () => {
      stop.removeEventListener("abort", hurry);
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
