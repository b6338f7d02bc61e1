import { expect, test } from "vitest";
import { httpSender } from "../../src/http/request.ts";
import { postNotice } from "../../src/notify/webhook.ts";
import { hurriedRuntime } from "../http/hurried-runtime.ts";
import { ok, startRecordingServer, status } from "../http/recording-server.ts";
import { expectThrown } from "../support/failures.ts";

const { signal } = new AbortController();
const { send } = await httpSender({ caFile: undefined, proxy: undefined, idleLimitMs: 30_000, triesMax: 1 });
const HOOK = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";
const NOTICE = { title: "save failed", lines: ["cluster prod"] };

test("webhook: a notice is one text, in which nothing is a link or a mention", async () => {
  await using server = await startRecordingServer([ok]);
  const notice = { title: "save failed", lines: ["<!channel> & <https://evil.example|here>", 'a "quoted"\nline'] };
  await postNotice(new URL(`http://${server.host}${HOOK}`), notice, send, { signal, runtime: hurriedRuntime() });
  expect(server.requests).toMatchObject([{ method: "POST", url: HOOK, headers: { "content-type": "application/json; charset=utf-8" } }]);
  expect(JSON.parse(server.requests[0]!.body)).toEqual({
    text: 'save failed\n&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;\na "quoted"\nline',
  });
});

test.each([
  ["a text that just fits is whole", "x".repeat(3000), "x".repeat(3000)],
  ["a longer one is cut", "x".repeat(3001), `${"x".repeat(2999)}…`],
  ["not within an escape", `${"x".repeat(2995)}&&`, `${"x".repeat(2995)}…`],
  ["which may be the last to fit", `${"x".repeat(2995)}&`, `${"x".repeat(2995)}&amp;`],
  ["not within a character", `${"x".repeat(2998)}😀x`, `${"x".repeat(2998)}…`],
])("webhook: %s", async (_, title, text) => {
  await using server = await startRecordingServer([ok]);
  await postNotice(new URL(`http://${server.host}${HOOK}`), { title, lines: [] }, send, { signal, runtime: hurriedRuntime() });
  expect(JSON.parse(server.requests[0]!.body)).toEqual({ text });
});

test("webhook: is sent again as late as a service asks that is asked too often, or does not work", async () => {
  const answers = [status(429, "rate_limited", { "retry-after": "2" }), status(503, "", { "retry-after": "1" }), status(500, "rollup_error"), ok];
  await using server = await startRecordingServer(answers);
  const runtime = hurriedRuntime();
  await postNotice(new URL(`http://${server.host}${HOOK}`), NOTICE, send, { signal, runtime });
  expect(server.requests).toHaveLength(4);
  expect(runtime.waits).toEqual([2200, 1400, 800]);
});

test("webhook: a date to come back at is one of the service's clock", async () => {
  const date = { date: "Sat, 01 Jan 2000 00:00:00 GMT", "retry-after": "Sat, 01 Jan 2000 00:00:03 GMT" };
  await using server = await startRecordingServer([status(429, "", date), ok]);
  const runtime = hurriedRuntime();
  await postNotice(new URL(`http://${server.host}${HOOK}`), NOTICE, send, { signal, runtime });
  expect(runtime.waits).toEqual([3200]);
});

test("webhook: a wait beyond the limit is not begun", async () => {
  await using server = await startRecordingServer([status(429, "", { "retry-after": "30" })]);
  const runtime = hurriedRuntime();
  const post = () => postNotice(new URL(`http://${server.host}${HOOK}`), NOTICE, send, { signal, runtime });
  await expectThrown("REPORT_FAILED", post, /: HTTP status 429; it asks to come back after 30 s$/);
  expect([server.requests.length, runtime.waits]).toEqual([1, []]);
});

test.each([400, 401, 403, 404, 405, 410])("webhook: what is refused with %i is not sent again, and the service's reason is told", async (code) => {
  await using server = await startRecordingServer([status(code, "\nno_service \u001b[31m\u202e now\r\nmore of it")]);
  const post = () => postNotice(new URL(`http://${server.host}${HOOK}`), NOTICE, send, { signal, runtime: hurriedRuntime() });
  const pattern = new RegExp(`^cannot post to the webhook at http://${server.host}: HTTP status ${code}: no_service \\[31m now$`);
  expect((await expectThrown("REPORT_FAILED", post, pattern)).hint).toMatch(/Check the URL/);
  expect(server.requests).toHaveLength(1);
});

test("webhook: of a long answer the beginning is told, and no more is waited for", async () => {
  await using server = await startRecordingServer([(answer) => void answer.writeHead(400).write("y".repeat(100_000))]);
  const post = () => postNotice(new URL(`http://${server.host}${HOOK}`), NOTICE, send, { signal, runtime: hurriedRuntime() });
  await expectThrown("REPORT_FAILED", post, /: HTTP status 400: y{300}$/);
});

test("webhook: a page is no reason", async () => {
  await using server = await startRecordingServer([status(403, "<!DOCTYPE html><title>Forbidden</title>")]);
  const post = () => postNotice(new URL(`http://${server.host}${HOOK}`), NOTICE, send, { signal, runtime: hurriedRuntime() });
  await expectThrown("REPORT_FAILED", post, /: HTTP status 403$/);
});

test("webhook: what was taken is not sent again because the rest of the answer does not come", async () => {
  await using server = await startRecordingServer([(answer) => void answer.writeHead(200, { "content-length": "2" }).write("o")]);
  await postNotice(new URL(`http://${server.host}${HOOK}`), NOTICE, send, { signal, runtime: hurriedRuntime({ limitsHurry: 20 }) });
  expect(server.requests).toHaveLength(1);
});
