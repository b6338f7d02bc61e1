// Whatever goes wrong, an error tells of a URL nothing but its origin.
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { EtcdsafeError } from "../../src/errors.ts";
import { type HttpSend, httpSender } from "../../src/http/request.ts";
import { tellsOf } from "../../src/http/secret-url.ts";
import { pushMetrics } from "../../src/metrics/pushgateway.ts";
import { heartbeat } from "../../src/notify/heartbeat.ts";
import { postNotice } from "../../src/notify/webhook.ts";
import { createAuthority } from "../support/certificates.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { hurriedRuntime } from "./hurried-runtime.ts";
import { type Answer, ok, reset, silent, startRecordingServer, status } from "./recording-server.ts";

const { signal } = new AbortController();
const { send } = await httpSender({ caFile: undefined, proxy: undefined, idleLimitMs: 30_000, triesMax: 1 });
const USER = "uSer-s3cret:p%20ss-s3cret@";
const PATH = "/p4th-s3cret/T0k3n%2Fs3cret?query-s3cret=v4lue-s3cret&k=7#fr4gment-s3cret";
const SECRETS = /s3cret|p%20ss|p ss|t0k3n|p4th|v4lue|fr4gment|dVNlci1zM2NyZXQ6/i; // The last one is what base64 makes of the user.

/**
 * Every kind of report to this URL fails so, and tells of the URL only its origin, wherever one looks in the error. Resolves to the hint, and how often
 * any of them was tried again.
 */
async function expectSilence(
  scheme: string,
  host: string,
  message: RegExp,
  { by = send, limitsHurry = 1 }: { readonly by?: HttpSend; readonly limitsHurry?: number } = {},
): Promise<{ readonly hint: string; readonly repeated: number }> {
  const url = new URL(`${scheme}://${USER}${host}${PATH}`);
  const runtime = hurriedRuntime({ limitsHurry });
  const { started, ended } = heartbeat(url, by, runtime);
  const notice = { title: "title", lines: [] };
  const text = 'etcdsafe_last_attempt_timestamp_seconds{cluster="prod"} 1\n';
  const hints = new Set<string>();
  for (const report of [
    () => started({ signal }),
    () => ended({ exitCode: 3, text: "" }, { signal }),
    () => postNotice(url, notice, by, { signal, runtime }),
    () => pushMetrics({ url: url.href, job: "etcdsafe", text }, by, { signal, runtime }),
  ]) {
    const error = await report().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(EtcdsafeError);
    expect(error).toMatchObject({ code: "REPORT_FAILED", message: expect.stringMatching(message) });
    expect((error as EtcdsafeError).message).toMatch(new RegExp(` (at|to) ${RegExp.escape(`${scheme}://${host}`)}: `));
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(SECRETS);
    hints.add((error as EtcdsafeError).hint);
  }
  return { hint: [...hints].join("\n"), repeated: runtime.waits.length };
}

test("secret URLs: are not told when nobody is there", async () => {
  const [port] = await claimPorts(1);
  try {
    await expectSilence("http", `127.0.0.1:${port}`, /: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
  } finally {
    await releasePorts([port!]);
  }
  await expectSilence("http", "nobody.invalid", /: (getaddrinfo \w+ nobody\.invalid|no answer within 4 s; given up after 10 s)$/, { limitsHurry: 20 });
});

const echo: Answer = (answer, { url, headers, method }) => void answer.writeHead(404).end(`Cannot ${method} ${url} for ${headers.authorization}\nmore`);
const echoDecoded: Answer = (answer, { url }) => void answer.writeHead(404).end(`Cannot POST ${decodeURIComponent(url!)}`);
const echoPart: Answer = (answer) => void answer.writeHead(403).end("no such token: t0k3n/s3c...");
const redirect: Answer = (answer, { url }) => void answer.writeHead(302, { location: `https://other.example${url}` }).end(`Found. Redirecting to ${url}`);

test.each([
  ["a connection that breaks", reset, /: (socket hang up|read ECONNRESET|the connection broke)$/],
  ["no answer", silent, /: no answer within 4 s; given up after 10 s$/],
  ["an answer that is none", ((_, { socket }) => void socket.end("SSH-2.0-OpenSSH\r\n")) as Answer, /: Parse Error/],
  ["one that repeats them", echo, /: HTTP status 404$/],
  ["one that repeats them decoded", echoDecoded, /: HTTP status 404$/],
  ["one that repeats a part", echoPart, /: HTTP status 403$/],
  ["a redirect", redirect, /: HTTP status 302, a redirect$/],
  ["a service out of order", status(500, "at /p4th-s3cret/"), /: HTTP status 500$/],
  ["one that is asked too often", status(429, "T0k3n%2Fs3cret", { "retry-after": "60" }), /: HTTP status 429; it asks/],
])("secret URLs: are not told on %s", async (_, answer, message) => {
  await using server = await startRecordingServer([answer]);
  await expectSilence("http", server.host, message, { limitsHurry: answer === silent ? 20 : 1 });
});

test("secret URLs: are not told where TLS fails, which is not tried again", async () => {
  await using directory = await temporaryDirectory("notify");
  const authority = await createAuthority(directory.path);
  const certificate = await authority.issue({ name: "service" });
  await using server = await startRecordingServer([ok], certificate);
  const { hint, repeated } = await expectSilence("https", server.host, /: its certificate cannot be trusted: unable to verify the first certificate$/);
  expect(hint).toMatch(/NODE_EXTRA_CA_CERTS/);
  expect(repeated).toBe(0);
  const expired = await authority.issue({ name: "expired", validDays: { from: -3, to: -1 } });
  const trusting = await httpSender({ caFile: join(directory.path, "ca.crt"), proxy: undefined, idleLimitMs: 30_000, triesMax: 1 });
  await using late = await startRecordingServer([ok], expired);
  await expectSilence("https", late.host, /: its certificate cannot be trusted: certificate has expired$/, { by: trusting.send });
  await using plain = await startRecordingServer([ok]);
  expect((await expectSilence("https", plain.host, /: it does not speak TLS$/)).hint).toMatch(/http:\/\//);
});

test("secret URLs: are not told by what nobody expected", async () => {
  const broken: HttpSend = async ({ url }) => {
    throw new TypeError(`cannot read properties of ${url}`);
  };
  await expectSilence("http", "service.example", /: TypeError$/, { by: broken });
});

test("secret URLs: what an answer tells of one is known from what it does not", () => {
  const url = new URL("https://me:pass@hooks.example/services/T00000000/abcdefghijklmnop/v1?key=%C3%A4%C3%B6");
  for (const text of ["no_service", "invalid_token", "hooks.example is busy", "abcdefg is not there", "v10"]) expect(tellsOf(url, text)).toBe(false);
  for (const text of [
    "/Services/",
    "who is me?",
    "a PASSword",
    "…ghijklmn…",
    "v1 is gone",
    "äö",
    "%c3%a4%c3%b6",
    "%70%61ss",
    Buffer.from("me:pass").toString("base64"),
  ])
    expect([text, tellsOf(url, text)]).toEqual([text, true]);
});
