import { expect, test } from "vitest";
import { httpSender } from "../../src/http/request.ts";
import { heartbeat } from "../../src/notify/heartbeat.ts";
import { hurriedRuntime } from "../http/hurried-runtime.ts";
import { ok, reset, silent, startRecordingServer, status } from "../http/recording-server.ts";
import { expectThrown } from "../support/failures.ts";

const { signal } = new AbortController();
const { send } = await httpSender({ caFile: undefined, proxy: undefined, idleLimitMs: 30_000, triesMax: 1 });
const RID = "ffffffff-ffff-4fff-bfff-ffffffffffff";
const CHECK = "/ping/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";

test("heartbeat: a run is pinged at its start, and at its end with its text, all with one id", async () => {
  await using server = await startRecordingServer([ok]);
  const { started, ended } = heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime());
  await started({ signal });
  await ended({ exitCode: 0, text: "saved 1 backup" }, { signal });
  expect(server.requests).toMatchObject([
    { method: "POST", url: `${CHECK}/start?rid=${RID}`, body: "", headers: { "content-length": "0" } },
    { method: "POST", url: `${CHECK}?rid=${RID}`, body: "saved 1 backup", headers: { "content-type": "text/plain; charset=utf-8" } },
  ]);
});

test.each([
  ["a failure by its exit code", CHECK, 4, `${CHECK}/4?rid=${RID}`],
  ["a URL with a query of its own", `${CHECK}?create=1&a=%20b`, 0, `${CHECK}?create=1&a=%20b&rid=${RID}`],
  ["that of a failure too", `${CHECK}?create=1`, 143, `${CHECK}/143?create=1&rid=${RID}`],
  ["a URL with a run id of its own", `${CHECK}?rid=5bf66975-0000-4000-8000-b8d8a82ea278`, 1, `${CHECK}/1?rid=5bf66975-0000-4000-8000-b8d8a82ea278`],
  ["a slash at the end of a URL", `${CHECK}/`, 1, `${CHECK}/1?rid=${RID}`],
  ["which stays where nothing follows", `${CHECK}/`, 0, `${CHECK}/?rid=${RID}`],
  ["a URL without a path", "", 1, `/1?rid=${RID}`],
])("heartbeat: tells %s", async (_, path, exitCode, expected) => {
  await using server = await startRecordingServer([ok]);
  await heartbeat(new URL(`http://${server.host}${path}`), send, hurriedRuntime()).ended({ exitCode, text: "" }, { signal });
  expect(server.requests.map(({ url }) => url)).toEqual([expected]);
});

test("heartbeat: the user and the password of a URL are those of the request", async () => {
  await using server = await startRecordingServer([ok]);
  await heartbeat(new URL(`http://me:p%40ss@${server.host}/`), send, hurriedRuntime()).started({ signal });
  expect(server.requests[0]!.headers.authorization).toBe(`Basic ${Buffer.from("me:p@ss").toString("base64")}`);
});

test("heartbeat: a text is cut at 10 kB, and at a whole character", async () => {
  await using server = await startRecordingServer([ok]);
  await heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime()).ended({ exitCode: 1, text: `a${"é".repeat(6000)}` }, { signal });
  expect(server.requests[0]!.body).toBe(`a${"é".repeat(4998)}…`); // 1 + 9,996 + 3 bytes: another é would be too much.
});

test("heartbeat: what fails on the way is sent again, ever later", async () => {
  await using server = await startRecordingServer([status(500), reset, status(408), status(503), ok]);
  const runtime = hurriedRuntime();
  await heartbeat(new URL(`http://${server.host}${CHECK}`), send, runtime).ended({ exitCode: 0, text: "done" }, { signal });
  expect(server.requests.map(({ body }) => body)).toEqual(["done", "done", "done", "done", "done"]);
  expect(runtime.waits).toEqual([200, 400, 800, 1600]);
});

test("heartbeat: a ping without an answer is sent again", async () => {
  await using server = await startRecordingServer([silent, ok]);
  await heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime({ limitsHurry: 10 })).started({ signal });
  expect(server.requests).toHaveLength(2);
});

test("heartbeat: is given up within 10 s, and says what the last attempt came to", async () => {
  await using server = await startRecordingServer([silent]);
  const { started } = heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime({ limitsHurry: 10 }));
  const begunMs = performance.now();
  await expectThrown("REPORT_FAILED", () => started({ signal }), /^cannot ping the heartbeat at http:\/\/[\d.:]+: no answer within 4 s; given up after 10 s$/);
  expect(performance.now() - begunMs).toBeGreaterThan(900);
  expect(performance.now() - begunMs).toBeLessThan(4_000);
  expect(server.requests.length).toBeLessThan(4);
});

test("heartbeat: is given up after six attempts", async () => {
  await using server = await startRecordingServer([status(500, "out of order")]);
  const { started } = heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime());
  await expectThrown("REPORT_FAILED", () => started({ signal }), /: HTTP status 500: out of order$/);
  expect(server.requests).toHaveLength(6);
});

test("heartbeat: an interrupted one ends with the signal's reason", async () => {
  await using server = await startRecordingServer([silent]);
  const interruption = new AbortController();
  const { started } = heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime());
  const pinged = started({ signal: interruption.signal });
  while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const reason = new Error("SIGTERM");
  interruption.abort(reason);
  await expect(pinged).rejects.toBe(reason);
});

test.each([["not found"], ["rate limited"]])("heartbeat: a ping that is said to be ignored (%s) was none", async (why) => {
  await using server = await startRecordingServer([status(200, `OK (${why})`)]);
  const { started } = heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime());
  const { hint } = await expectThrown("REPORT_FAILED", () => started({ signal }), new RegExp(`: the ping was ignored: ${why}$`));
  expect(hint).toMatch(/^Check the URL/);
  expect(server.requests).toHaveLength(1);
});

test.each([301, 302, 303, 307, 308])("heartbeat: a redirect (%i) is not followed", async (code) => {
  await using other = await startRecordingServer([ok]);
  await using server = await startRecordingServer([status(code, "", { location: `http://${other.host}${CHECK}` })]);
  const { started } = heartbeat(new URL(`http://${server.host}${CHECK}`), send, hurriedRuntime());
  const { hint } = await expectThrown("REPORT_FAILED", () => started({ signal }), new RegExp(`: HTTP status ${code}, a redirect$`));
  expect(hint).toMatch(/redirects are not followed/);
  expect([server.requests.length, other.requests.length]).toEqual([1, 0]);
});
