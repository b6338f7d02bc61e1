// What holds for whatever is reported, besides what is tested with the services that are told.
import { once } from "node:events";
import { expect, test } from "vitest";
import { OutOfTime, type ReportOptions, sendReport } from "../../src/http/report.ts";
import { httpSender } from "../../src/http/request.ts";
import { expectThrown } from "../support/failures.ts";
import { hurriedRuntime } from "./hurried-runtime.ts";
import { startRecordingServer, status } from "./recording-server.ts";

const LIMIT_MS = 10_000;
const { signal } = new AbortController();
const { send } = await httpSender({ caFile: undefined, proxy: undefined, idleLimitMs: 30_000, triesMax: 1 });
const reportTo = (host: string) => ({ what: "tell", url: new URL(`http://${host}/`), contentType: "text/plain", body: Buffer.from("news") });

test("report: one that is given up while it waits for the next attempt says what the last one came to", async () => {
  await using server = await startRecordingServer([status(503, "", { "retry-after": "9" })]);
  const over = Promise.withResolvers<void>();
  const { sleep, randomBytes } = hurriedRuntime();
  const waiting: ReportOptions["runtime"]["sleep"] = async (delayMs, stop) => {
    if (delayMs === LIMIT_MS) return await over.promise;
    if (delayMs < 9_000) return await sleep(delayMs, stop); // One attempt's limit.
    over.resolve();
    if (!stop.aborted) await once(stop, "abort");
    throw stop.reason;
  };
  await expectThrown(
    "REPORT_FAILED",
    () => sendReport(reportTo(server.host), send, { signal, runtime: { sleep: waiting, randomBytes } }),
    / 503; given up after 10 s$/,
  );
  expect(server.requests).toHaveLength(1);
});

test("report: one that somebody else gives up for want of time says what the last attempt came to as well", async () => {
  await using server = await startRecordingServer([status(429, "slow down", { "retry-after": "9" })]);
  const over = new AbortController();
  const { sleep, randomBytes } = hurriedRuntime();
  const waiting: ReportOptions["runtime"]["sleep"] = (delayMs, stop) => {
    if (delayMs >= 9_000 && delayMs < LIMIT_MS) over.abort(new OutOfTime(5_000));
    return sleep(delayMs, stop);
  };
  const telling = () => sendReport(reportTo(server.host), send, { signal: over.signal, runtime: { sleep: waiting, randomBytes } });
  await expectThrown("REPORT_FAILED", telling, /^cannot tell http:\/\/[\d.:]+: HTTP status 429: slow down; given up after 5 s$/);
});

test("report: of an answer the first line is told, and what it announces", async () => {
  await using server = await startRecordingServer([status(400, "metrics are inconsistent: 2 errors occurred:\n * the first\n * the second")]);
  const telling = () => sendReport(reportTo(server.host), send, { signal, runtime: hurriedRuntime() });
  await expectThrown("REPORT_FAILED", telling, /: HTTP status 400: metrics are inconsistent: 2 errors occurred: \* the first$/);
});
