import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PAGE_POLICY } from "../../../src/agent/http/page.ts";
import { type AgentStatus, TASK_KINDS } from "../../../src/agent/status.ts";
import { expectThrown } from "../../support/failures.ts";
import { rowsOf, sectionOf } from "../../support/markdown.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { bearer, converse, type Served, serve, TOKEN } from "./served.ts";
import { ago, allWell, everythingFails, notReadYet, running, standby, unreadable } from "./statuses.ts";

const PATHS = ["/", "/healthz", "/readyz", "/metrics", "/status"];

async function withToken(run: (served: Served, tokenFile: string) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const tokenFile = join(directory.path, "token");
  await writeFile(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  await using served = await serve({ tokenFile });
  await run(served, tokenFile);
}

test("routes: each says what it is for, in its own format, never to be kept, and HEAD says the same without a body", async () => {
  await using served = await serve();
  const types: Record<string, string> = {};
  for (const path of PATHS) {
    const answer = await served.fetch(path);
    const body = await answer.text();
    expect([path, answer.status]).toEqual([path, 200]);
    expect(body).not.toBe("");
    types[path] = answer.headers.get("content-type")!;
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": path === "/" ? PAGE_POLICY : "default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "content-length": String(Buffer.byteLength(body)),
    });
    expect([answer.headers.get("server"), answer.headers.get("x-powered-by"), answer.headers.get("access-control-allow-origin")]).toEqual([null, null, null]);
    const head = await served.fetch(path, { method: "HEAD" });
    expect([head.status, await head.text(), head.headers.get("content-type")]).toEqual([200, "", types[path]]);
  }
  expect(types).toEqual({
    "/": "text/html; charset=UTF-8",
    "/healthz": "text/plain;charset=UTF-8",
    "/readyz": "application/json",
    "/metrics": "text/plain; version=0.0.4; charset=utf-8",
    "/status": "application/json",
  });
  expect(await (await served.fetch("/status")).json()).toEqual(allWell);
  expect(await (await served.fetch("/metrics")).text()).toBe("# TYPE etcdsafe_build_info gauge\netcdsafe_build_info 1\n");
  expect(await (await served.fetch("/")).text()).toContain("Everything is recoverable");
});

test("routes: the page names the fields of /status, and no others", async () => {
  await using served = await serve();
  served.agent.status = everythingFails;
  const status = (await (await served.fetch("/status")).json()) as AgentStatus;
  const rows = rowsOf(sectionOf("agent-http.md", "What `/status` says"));
  const named = (cell: string | undefined) => [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  expect(rows.flatMap(([fields]) => named(fields)).toSorted()).toEqual(Object.keys(status).toSorted());
  const within: Readonly<Record<string, readonly unknown[]>> = {
    lease: [status.lease, served.agent.status.lease.error ?? {}, allWell.lease.holder],
    tasks: status.tasks,
    recovery: [allWell.recovery],
    catalogue: [allWell.catalogue, allWell.catalogue!.points],
    unreadable: [notReadYet.unreadable],
    configuration: [status.configuration, status.configuration.refused],
  };
  for (const [field, objects] of Object.entries(within)) {
    const said = named(rows.find(([fields]) => fields === `\`${field}\``)![1]);
    const fields = [...new Set(objects.flatMap((object) => Object.keys(object as object)))];
    const values = field === "tasks" ? TASK_KINDS : [];
    expect(said.toSorted(), field).toEqual([...fields, ...values].toSorted());
  }
});

test("routes: ready is who has read the repository within a quarter of an hour, and who stands by; who is not says why", async () => {
  await using served = await serve();
  const readiness = async () => {
    const answer = await served.fetch("/readyz");
    return [answer.status, await answer.json()];
  };
  expect(await readiness()).toEqual([200, { ready: true, role: "writer" }]);
  served.agent.status = notReadYet;
  expect(await readiness()).toEqual([200, { ready: true, role: "standby" }]);
  served.agent.status = { ...notReadYet, role: "writer" };
  expect(await readiness()).toEqual([
    503,
    { ready: false, role: "writer", why: "the repository has not been read yet: s3://acme-etcd-backups/prod: getaddrinfo EAI_AGAIN minio.storage.svc" },
  ]);
  served.agent.status = { ...allWell, catalogue: null };
  expect(await readiness()).toEqual([503, { ready: false, role: "writer", why: "the repository has not been read yet" }]);
  served.agent.status = { ...allWell, unreadable: { ...unreadable.unreadable!, since: ago(60_000) } };
  expect(await readiness()).toEqual([200, { ready: true, role: "writer" }]);
  // The clock was set back since.
  served.agent.status = { ...unreadable, catalogue: { ...unreadable.catalogue!, readAt: ago(-5 * 60 * 60_000) } };
  expect((await readiness())[0]).toBe(503);
  served.agent.status = unreadable;
  expect(await readiness()).toMatchObject([
    503,
    { why: expect.stringMatching(/^the repository was read last at 2026-11-22T02:43:12.345Z: etcdsafe-repository.json .* is no JSON/) },
  ]);
  served.agent.status = { ...unreadable, role: "standby" };
  expect(await readiness()).toEqual([200, { ready: true, role: "standby" }]);
  expect((await served.fetch("/healthz")).status).toBe(200);
});

test("routes: other paths are not found, other methods not allowed, and the error is short JSON", async () => {
  await using served = await serve();
  for (const path of ["/nothing", "/status/", "/jobs", "/jobs/", "/jobs/a/b", "/favicon.ico", "/%2e%2e/etc/passwd", "/%ff", "//", "/backups/1"]) {
    const answer = await served.fetch(path);
    expect([path, answer.status]).toEqual([path, 404]);
    expect(await answer.json()).toEqual({ error: expect.stringMatching(/^.{10,100}$/) });
  }
  for (const path of [...PATHS, "/jobs/x"])
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const answer = await served.fetch(path, { method });
      expect([path, method, answer.status, answer.headers.get("allow"), await answer.json()]).toEqual([
        path,
        method,
        405,
        "GET, HEAD",
        { error: "only GET, HEAD here" },
      ]);
    }
  for (const path of ["/backups", "/verifications"])
    for (const method of ["GET", "HEAD", "PUT"]) {
      const answer = await served.fetch(path, { method });
      expect([path, answer.status, answer.headers.get("allow")]).toEqual([path, 405, "POST"]);
    }
});

test("routes: what goes wrong inside is logged, and nothing of it is told", async () => {
  const broken = () => {
    throw new Error("secret-detail at /srv/app.ts");
  };
  await using served = await serve({}, { status: broken, metrics: async () => broken() });
  for (const path of ["/", "/status", "/readyz", "/metrics"]) {
    const answer = await served.fetch(path);
    expect([answer.status, await answer.json(), answer.headers.get("cache-control")]).toEqual([
      500,
      { error: "the agent could not answer; its log says why" },
      "no-store",
    ]);
  }
  expect(served.logged).toHaveLength(4);
  expect(served.logged[0]).toEqual({
    level: "error",
    message: "a request could not be answered: secret-detail at /srv/app.ts",
    fields: { method: "GET", path: "/" },
  });
  expect((await served.fetch("/healthz")).status).toBe(200);
});

test("jobs: one is begun with the token, told with its place, and found there; the one that runs already is given instead of another", async () => {
  await withToken(async (served) => {
    for (const [path, kind] of [
      ["/backups", "save"],
      ["/verifications", "verify"],
    ] as const) {
      served.agent.running = undefined;
      const begun = await served.fetch(path, bearer(TOKEN));
      expect([begun.status, begun.headers.get("location"), await begun.json()]).toEqual([202, `/jobs/${running.id}`, { ...running, kind }]);
      const again = await served.fetch(path, bearer(TOKEN));
      expect([again.status, again.headers.get("location"), await again.json()]).toEqual([200, `/jobs/${running.id}`, { ...running, kind }]);
      const job = await served.fetch(begun.headers.get("location")!);
      expect([job.status, await job.json()]).toEqual([200, { ...running, kind }]);
    }
    expect(served.requested).toEqual(["save", "verify"]);
    expect((await served.fetch("/jobs/another")).status).toBe(404);
    expect(served.logged.map(({ message }) => message)).toEqual([
      "a save was asked for",
      "a save was asked for, and one runs already",
      "a verify was asked for",
      "a verify was asked for, and one runs already",
    ]);
  });
});

test("jobs: nobody begins one without the token, or where the agent has none", async () => {
  await withToken(async (served) => {
    const challenge = async (init: RequestInit) => {
      const answer = await served.fetch("/backups", { method: "POST", ...init });
      return [answer.status, answer.headers.get("www-authenticate"), await answer.json()];
    };
    const missing = [401, 'Bearer realm="etcdsafe"', { error: "this needs a bearer token" }];
    const wrong = [401, 'Bearer realm="etcdsafe", error="invalid_token"', { error: "that is not the token" }];
    expect(await challenge({})).toEqual(missing);
    for (const header of [TOKEN, `Basic ${btoa(`admin:${TOKEN}`)}`, "Bearer", "Bearer ", `Bearer ${TOKEN} ${TOKEN}`])
      expect(await challenge({ headers: { Authorization: header } })).toEqual(missing);
    for (const token of [`${TOKEN}0`, TOKEN.slice(1), TOKEN.toUpperCase(), "x", "x".repeat(5_000)]) expect(await challenge(bearer(token))).toEqual(wrong);
    expect((await served.fetch("/backups", { method: "POST", headers: { Authorization: `bearer ${TOKEN}` } })).status).toBe(202); // The scheme's case means nothing (RFC 9110 §11.1).
    expect((await served.fetch(`/backups?access_token=${TOKEN}`, { method: "POST" })).status).toBe(401);
    expect(served.requested).toEqual(["save"]);
    expect(served.logged.filter(({ level }) => level === "warn")).toEqual([
      { level: "warn", message: "somebody showed a wrong token", fields: { path: "/backups", from: "127.0.0.1" } },
    ]);
    expect(JSON.stringify(served.logged)).not.toContain(TOKEN.slice(1));
  });
  await using told = await serve();
  const answer = await told.fetch("/verifications", bearer(TOKEN));
  expect([answer.status, await answer.json()]).toEqual([403, { error: "this agent only tells: it was started without --listen-token-file" }]);
  expect(told.requested).toEqual([]);
});

test("jobs: who is not the writer says who is", async () => {
  await withToken(async (served) => {
    const conflict = async () => {
      const answer = await served.fetch("/backups", bearer(TOKEN));
      return [answer.status, await answer.json()];
    };
    served.agent.status = standby;
    const { holder } = standby.lease;
    expect(await conflict()).toEqual([409, { error: `this agent is not the writer: ${holder!.host} is (process 1), since ${holder!.since}`, holder }]);
    served.agent.status = { ...standby, lease: { holder: null, error: null } };
    expect(await conflict()).toEqual([409, { error: "this agent is not the writer: nobody is, as far as it has seen", holder: null }]);
    expect(served.requested).toEqual([]);
  });
});

test("token: a changed file is in force at once, and a bad one is not", async () => {
  await withToken(async (served, tokenFile) => {
    const status = async (token: string) => (await served.fetch("/backups", bearer(token))).status;
    const fresh = "fresh-token-of-today-~._+/==";
    expect(await status(TOKEN)).toBe(202);
    await writeFile(tokenFile, fresh);
    expect([await status(TOKEN), await status(fresh)]).toEqual([401, 200]);
    await writeFile(tokenFile, "short");
    expect([await status("short"), await status(fresh), await status(fresh)]).toEqual([401, 200, 200]);
    await expectThrown("CONFIG_INVALID", () => served.take(/token/), /holds a token of fewer than 16 characters/);
    expect(await status(fresh)).toBe(200);
    await writeFile(tokenFile, TOKEN);
    await served.take(/token/);
    expect([await status(TOKEN), await status(fresh)]).toEqual([200, 401]);
  });
});

test("token: files that cannot hold one are refused at the start, and one that everybody reads is warned of", async () => {
  await using directory = await temporaryDirectory();
  const tokenFile = join(directory.path, "token");
  await expectThrown("CONFIG_INVALID", () => serve({ tokenFile }), /token cannot be read: there is no such file/);
  for (const [content, why] of [
    ["", /is empty/],
    ["0123456789abcde", /fewer than 16 characters/],
    ["0123456789 abcdefgh", /characters that no bearer token can have/],
    ["0123456789abcdefgh\nxyz", /more than one line/],
  ] as const) {
    await writeFile(tokenFile, content);
    await expectThrown("CONFIG_INVALID", () => serve({ tokenFile }), why);
  }
  await writeFile(tokenFile, TOKEN);
  await chmod(tokenFile, 0o644);
  await using served = await serve({ tokenFile });
  expect(served.logged).toEqual([
    { level: "warn", message: expect.stringContaining("everybody on this host can read the token's file"), fields: { file: tokenFile, mode: "0644" } },
  ]);
  await chmod(tokenFile, 0o600);
  await using open = await serve({ tokenFile, host: "0.0.0.0" });
  expect(open.logged).toEqual([{ level: "warn", message: expect.stringContaining("the bearer token travels unencrypted"), fields: { listen: "0.0.0.0" } }]);
});

test("requests: what is none gets a short answer and the end of the connection", async () => {
  await using served = await serve();
  const answered = async (request: string) => {
    const { received } = await converse(served.url, [request]);
    return [received.split("\r\n")[0], received.split("\r\n\r\n")[1]];
  };
  expect(await answered("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")).toEqual(["HTTP/1.1 400 Bad Request", '{"error":"this is no HTTP request"}']);
  expect(await answered(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(9_000)}\r\n\r\n`)).toEqual([
    "HTTP/1.1 431 Request Header Fields Too Large",
    '{"error":"the request\'s head is too long"}',
  ]);
  expect(await answered("GET / HTTP/1.1\r\nHost: a b<c>\r\nConnection: close\r\n\r\n")).toEqual([
    "HTTP/1.1 400 Bad Request",
    '{"error":"this is no request that can be answered"}',
  ]);
  expect(await answered("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")).toEqual([
    "HTTP/1.1 400 Bad Request",
    '{"error":"this is no HTTP request"}',
  ]);
});
