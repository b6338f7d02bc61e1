import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportOptions } from "../../src/http/report.ts";
import { httpSender } from "../../src/http/request.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { pushMetrics } from "../../src/metrics/pushgateway.ts";
import type { RunFacts } from "../../src/metrics/run-facts.ts";
import { writeTextfile } from "../../src/metrics/textfile.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { hurriedRuntime } from "../http/hurried-runtime.ts";
import { silent, startRecordingServer, status } from "../http/recording-server.ts";
import { expectThrown } from "../support/failures.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { type Pushgateway, startPushgateway } from "../support/pushgateway.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { failedRun, minute, type RunChanges, savedFacts, saveRun, verifiedFacts, verifyRun } from "./run-facts.ts";
import { seriesOf } from "./series.ts";

const LIMIT_MS = 30_000;
const ROUTE_PREFIX = "/behind/a-prefix";

let pushgateway: Pushgateway;
beforeAll(async () => {
  pushgateway = await startPushgateway({ routePrefix: ROUTE_PREFIX });
});
afterAll(() => pushgateway.stop());

interface Pushing {
  readonly url?: string;
  readonly job?: string;
  readonly runtime?: ReportOptions["runtime"];
}

/** As a run that ends does: it knows nothing of those before it. */
async function push(facts: RunFacts, { url = pushgateway.url, job = "etcdsafe", runtime = testRuntime() }: Pushing = {}): Promise<void> {
  await pushText(await textOf(facts), { url, job, runtime });
}

async function pushText(text: string, { url = pushgateway.url, job = "etcdsafe", runtime = testRuntime() }: Pushing = {}): Promise<void> {
  const { send } = await httpSender({ ...DEFAULT_SETTINGS.connection, idleLimitMs: LIMIT_MS });
  await pushMetrics({ url, job, text }, send, { signal: AbortSignal.timeout(LIMIT_MS), runtime });
}

async function textOf(facts: RunFacts): Promise<string> {
  const metrics = createMetrics("1.2.3");
  metrics.record(facts);
  return await metrics.text();
}

/** The series of a job, without what the Pushgateway puts to them: the job, and an instance that is none. Numbers, as it prints them in its own way. */
async function scraped(job: string): Promise<Record<string, number>> {
  const lines = (await pushgateway.scrape()).split("\n").filter((line) => /^(# (HELP|TYPE) )?etcdsafe_/.test(line));
  const series = Object.entries(seriesOf(`${lines.filter((line) => line.startsWith("# ") || line.includes(`job="${job}"`)).join("\n")}\n`));
  return Object.fromEntries(series.map(([key, value]) => [key.replace(/,?(?:job="[^"]*"|instance="")/g, "").replace("{,", "{"), Number(value)]));
}

function numbers(series: Record<string, string>): Record<string, number> {
  return Object.fromEntries(Object.entries(series).map(([key, value]) => [key, Number(value)]));
}

const stage: RunChanges = { clusters: ["stage"], saved: savedFacts({ cluster: "stage", createdAt: minute(31) }), repositories: [] };

test("pushgateway: holds after push upon push what a process that records all runs says", async () => {
  const metrics = createMetrics("1.2.3");
  const levels = (["stored-bytes", "hash"] as const).map((level) => verifiedFacts({ level, finishedAt: minute(90) }));
  const all = [
    saveRun(),
    saveRun({ startedAt: minute(30), finishedAt: minute(33), phases: new Map([["stream", 1]]) }), // Pushed twice.
    saveRun(stage),
    verifyRun(),
    failedRun(), // After a success.
    failedRun({ failure: "locked", startedAt: minute(70), finishedAt: minute(71) }),
    verifyRun(levels),
    verifyRun([verifiedFacts({ outcome: "failed" })], { failure: "corrupt" }),
    verifyRun([verifiedFacts(), verifiedFacts({ cluster: "stage" })], { clusters: ["prod", "stage"] }),
    failedRun({ clusters: [], failure: "usage" }),
  ];
  for (const facts of all) {
    metrics.record(facts);
    await push(facts);
    expect(await scraped("etcdsafe")).toEqual(numbers(seriesOf(await metrics.text())));
  }
});

test("pushgateway: a version that words a meaning in another way is taken beside the others", async () => {
  await push(saveRun(), { job: "versions" });
  const other = (await textOf(saveRun(stage))).replaceAll(/^# HELP (\w+) .*$/gm, "# HELP $1 Something else.");
  await pushText(other, { job: "versions" });
  expect(await scraped("versions")).toEqual(numbers({ ...seriesOf(await textOf(saveRun())), ...seriesOf(other) }));
});

test("pushgateway: what a job is called cannot lead elsewhere", async () => {
  for (const job of ["a/b", "..", ".", "größe", "a%2fb", "a b?c#d"]) {
    await push(saveRun(), { job });
    expect(await scraped(job), job).toEqual(numbers(seriesOf(await textOf(saveRun()))));
  }
});

test("pushgateway: Prometheus' own parser takes a textfile as it is, after runs of several clusters", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "etcdsafe.prom");
  for (const facts of [saveRun(), saveRun(stage), failedRun(), verifyRun()]) {
    await writeTextfile(path, await textOf(facts), { signal: AbortSignal.timeout(LIMIT_MS), runtime: testRuntime() });
  }
  const text = await readFile(path, "utf8");
  const post = async (body: string) => (await fetch(`${pushgateway.url}/metrics/job/textfile`, { method: "POST", body })).status;
  expect(await post(text)).toBe(200);
  expect(await scraped("textfile")).toEqual(numbers(seriesOf(text)));
  expect(await post(`${text}${text.trimEnd().split("\n").at(-1)}\n`)).toBe(400); // It does look: the last line twice.
});

test("pushgateway: what it refuses is told with its reason, which is not in its first line, and not tried again", async () => {
  const text = (await textOf(saveRun())).replace(
    "# TYPE etcdsafe_last_attempt_timestamp_seconds gauge",
    "# TYPE etcdsafe_last_attempt_timestamp_seconds counter",
  );
  const runtime = hurriedRuntime();
  await push(saveRun());
  await expectThrown(
    "REPORT_FAILED",
    () => pushText(text, { runtime }),
    /^cannot push the metrics to http:\/\/127\.0\.0\.1:\d+: HTTP status 400: .*etcdsafe_last_attempt_timestamp_seconds/,
  );
  expect(runtime.waits).toEqual([]);
});

test("pushgateway: nothing of the URL but its origin is told, though the server repeats it", async () => {
  const url = pushgateway.url.replace(ROUTE_PREFIX, "/s3cr3t-path");
  const error = await expectThrown("REPORT_FAILED", () => push(saveRun(), { url }), /^cannot push the metrics to http:\/\/127\.0\.0\.1:\d+: HTTP status 404/);
  expect(error.message).not.toContain("s3cr3t");
  await expectThrown("CONFIG_INVALID", () => push(saveRun(), { url: "s3cr3t-path" }), /^the URL of the Pushgateway is none$/);
});

test("pushgateway: what passes is tried again, when the server asks for it; what it asks for too late is not", async () => {
  const runtime = hurriedRuntime();
  const asking = [status(503), status(429, "", { "retry-after": "3" }), status(408), status(500, "", { "retry-after": "soon" })];
  await using server = await startRecordingServer([...asking, status(202)]);
  await push(saveRun(), { url: `http://${server.host}`, runtime });
  expect(runtime.waits).toEqual([200, 3_400, 800, 1_600]);
  await using late = await startRecordingServer([status(429, "", { "retry-after": "3600" })]);
  const tooLate = () => push(saveRun(), { url: `http://${late.host}`, runtime });
  await expectThrown("REPORT_FAILED", tooLate, /HTTP status 429; it asks to come back after 3600 s$/);
  expect([late.requests.length, runtime.waits.length]).toEqual([1, 4]);
});

test("pushgateway: where nobody answers, it is given up after some tries", async () => {
  const [port] = (await claimPorts(1)) as [number];
  const runtime = hurriedRuntime();
  try {
    await expectThrown(
      "REPORT_FAILED",
      () => push(saveRun(), { url: `http://127.0.0.1:${port}/s3cr3t`, runtime }),
      new RegExp(`^cannot push the metrics to http://127\\.0\\.0\\.1:${port}: connect ECONNREFUSED 127\\.0\\.0\\.1:${port}$`),
    );
  } finally {
    await releasePorts([port]);
  }
  expect(runtime.waits).toHaveLength(5);
});

test("pushgateway: one that says nothing is given up within 10 s", async () => {
  await using server = await startRecordingServer([silent]);
  const runtime = hurriedRuntime({ limitsHurry: 20 });
  await expectThrown("REPORT_FAILED", () => push(saveRun(), { url: `http://${server.host}`, runtime }), /: no answer within 4 s; given up after 10 s$/);
});

test("pushgateway: what was taken is not pushed again because the rest of the answer does not come", async () => {
  await using server = await startRecordingServer([(answer) => void answer.writeHead(200, { "content-length": "2" }).write("o")]);
  const text = 'etcdsafe_last_attempt_timestamp_seconds{cluster="prod"} 1\n';
  await pushText(text, { url: `http://${server.host}`, runtime: hurriedRuntime({ limitsHurry: 20 }) });
  expect(server.requests.map(({ url }) => url)).toEqual(["/metrics/job/etcdsafe/cluster/prod"]);
});

test("pushgateway: an abort ends it with the signal's reason", async () => {
  await using server = await startRecordingServer([silent]);
  const { send } = await httpSender({ ...DEFAULT_SETTINGS.connection, idleLimitMs: LIMIT_MS });
  const reason = new Error("told to");
  const stop = new AbortController();
  setTimeout(() => stop.abort(reason), 50);
  const push = { url: `http://${server.host}`, job: "etcdsafe", text: await textOf(saveRun()) };
  await expect(pushMetrics(push, send, { signal: stop.signal, runtime: testRuntime() })).rejects.toBe(reason);
});
