// A run of which somebody is told: metrics, a heartbeat, a message where it failed. None of that ever changes how the run ends.
import { hostname } from "node:os";
import { throwFaults } from "../config/config-error.ts";
import { readHooks } from "../config/hooks.ts";
import { ERRORS, type EtcdsafeError } from "../errors.ts";
import { httpSender } from "../http/request.ts";
import { failureReason } from "../metrics/reasons.ts";
import type { RunAction, RunFacts } from "../metrics/run-facts.ts";
import type { Invocation, RunCommand } from "./command.ts";
import { InterruptedError } from "./interruption.ts";
import { asEtcdsafeError } from "./report-error.ts";
import { repositoryFacts } from "./repository-facts.ts";
import { RunRecord } from "./run-record.ts";
import { version } from "./version.ts";

/** For each of those who are told: a run that is over must not wait for them for long. */
const TELLING_LIMIT_MS = 10_000;
const IDLE_LIMIT_MS = 5_000;
/** What Prometheus calls the pushed metrics' job. */
const JOB = "etcdsafe";

interface End {
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

/** As `run`, and tells of it. Throws as runReported. */
export async function reported(invocation: Invocation, run: RunCommand): Promise<number> {
  const wantsFacts = invocation.config.get("textfile") !== undefined || invocation.config.get("pushgateway") !== undefined;
  const { error, exitCode } = await runReported(invocation, run, { wantsFacts });
  if (error !== undefined) throw error;
  return exitCode;
}

/**
 * Tells of whatever becomes of `run`. `wantsFacts`: somebody asks how much is in the repository afterwards. Throws CONFIG_INVALID, with nothing done, where a
 * file that names whom to tell cannot be read.
 */
export async function runReported(invocation: Invocation, run: RunCommand, { wantsFacts }: { readonly wantsFacts: boolean }): Promise<ReportedRun> {
  const { config, runtime } = invocation;
  const { hooks, faults } = await readHooks(config);
  throwFaults(faults);
  const { send } = await httpSender({ caFile: undefined, proxy: undefined, idleLimitMs: IDLE_LIMIT_MS, triesMax: 1 });
  const record = new RunRecord(runtime);
  const startedAt = runtime.now();
  const pulse = hooks.heartbeat === undefined ? undefined : (await import("../notify/heartbeat.ts")).heartbeat(hooks.heartbeat, send, runtime);
  // Beside the run, which is not to wait for it.
  const starting = told(invocation, "the heartbeat", async (options) => pulse?.started(options));
  const end = await ended(invocation, () => run({ ...invocation, runtime: record.runtime(runtime), record }));
  await starting;
  const facts = await factsOf(invocation, record, end, { startedAt, wantsFacts });
  const lines = [...record.lines, ...(end.error === undefined ? [] : [`${end.error.code}: ${end.error.message}`, end.error.hint])];
  const what = `etcdsafe ${invocation.command}${facts.clusters.length === 0 ? "" : ` of ${facts.clusters.map(({ cluster }) => cluster).join(", ")}`} on ${hostname()}`;
  const how = facts.failure === null ? (record.isDoubtful ? "wants to be looked at" : "is done") : `failed: ${facts.failure}`;
  await Promise.all([
    told(invocation, "the heartbeat", async (options) => pulse?.ended({ exitCode: end.exitCode, text: lines.join("\n") }, options)),
    told(invocation, "the webhook", async (options) => {
      if (hooks.notify === undefined || (facts.failure === null && !record.isDoubtful)) return;
      const { postNotice } = await import("../notify/webhook.ts");
      await postNotice(hooks.notify, { title: `${what} ${how}`, lines }, send, { ...options, runtime });
    }),
    ...(await metricsOf(invocation, facts, send)),
  ]);
  return { ...end, facts, lines };
}

async function ended({ signal }: Invocation, run: () => Promise<number>): Promise<End> {
  try {
    return { exitCode: await run(), error: undefined };
  } catch (thrown) {
    // Whatever failed after a signal failed because of it.
    const error = asEtcdsafeError(signal.aborted ? signal.reason : thrown);
    return { exitCode: error instanceof InterruptedError ? error.exitCode : ERRORS[error.code].exit, error };
  }
}

async function factsOf(
  invocation: Invocation,
  record: RunRecord,
  { exitCode, error }: End,
  { startedAt, wantsFacts }: { readonly startedAt: Date; readonly wantsFacts: boolean },
): Promise<RunFacts> {
  const { config, command, runtime } = invocation;
  if (wantsFacts && command !== "verify") {
    await told(
      invocation,
      "what is in the repository",
      async (options) => void record.repositories.push(...(await repositoryFacts({ ...invocation, ...options }))),
    );
  }
  const { saved, pruned, verified, looks, phases, moved, repositories } = record;
  const failure = failureReason(exitCode, error?.code);
  const clusters = config.get("all-clusters")
    ? [...record.exitCodes].map(([cluster, own]) => ({ cluster, failure: error === undefined ? failureReason(own, undefined) : failure }))
    : [{ cluster: config.get("cluster"), failure }];
  const action = command as RunAction; // Only these have the options that ask for it.
  return { action, clusters, startedAt, finishedAt: runtime.now(), failure, saved, pruned, verified, looks, phases, moved, repositories };
}

async function metricsOf(invocation: Invocation, facts: RunFacts, send: Awaited<ReturnType<typeof httpSender>>["send"]): Promise<Promise<void>[]> {
  const { config, runtime } = invocation;
  const [path, url] = [config.get("textfile"), config.get("pushgateway")];
  if (path === undefined && url === undefined) return [];
  const { createMetrics } = await import("../metrics/metrics.ts");
  const metrics = createMetrics(version());
  metrics.record(facts);
  const text = await metrics.text();
  return [
    told(invocation, "the metrics", async (options) => {
      if (path === undefined) return;
      const { writeTextfile } = await import("../metrics/textfile.ts");
      const { unreadableLines } = await writeTextfile(path, text, { ...options, runtime });
      if (unreadableLines > 0) runtime.log({ level: "warn", message: `${path} held ${unreadableLines} lines that are no metrics: they are gone` });
    }),
    told(invocation, "the metrics", async (options) => {
      if (url !== undefined) await (await import("../metrics/pushgateway.ts")).pushMetrics({ url, job: JOB, text }, send, { ...options, runtime });
    }),
  ];
}

/** Within a bound, and whatever comes of it. Also where the run was interrupted: that is news. */
async function told({ runtime }: Invocation, what: string, tell: (options: { readonly signal: AbortSignal }) => Promise<void>): Promise<void> {
  try {
    await tell({ signal: AbortSignal.timeout(TELLING_LIMIT_MS) });
  } catch (thrown) {
    const error = asEtcdsafeError(thrown);
    const { message } =
      error.code === "INTERNAL" && (thrown as Error).name === "TimeoutError" ? { message: `no answer within ${TELLING_LIMIT_MS / 1000} s` } : error;
    runtime.log({ level: "warn", message: `${what}: ${message}` });
  }
}
