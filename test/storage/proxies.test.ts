// Stores that are reached over TLS through a proxy, which learns no more than where they are: by an option, or by the environment unless that excepts them.
// The store answers the same to each request, in a way that all three kinds take. And what is said where something else answers, or nobody.
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer as createPlainServer } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { openStorage } from "../../src/storage/open.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { createAuthority } from "../support/certificates.ts";
import { startConnectProxy } from "../support/connect-proxy.ts";
import { runs, SEED } from "../support/counts.ts";
import { expectThrown } from "../support/failures.ts";
import { quietRuntime } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { signal } = new AbortController();
const HELLO = "hello";
const KINDS = ["s3", "gs", "azblob"] as const;

const directory = await temporaryDirectory("proxies");
let server: Server;
let host: string;
let caFile: string;

beforeAll(async () => {
  const authority = await createAuthority(directory.path);
  const { cert, key } = await authority.issue({ name: "store" });
  caFile = authority.path;
  const headers = { etag: '"1"', "last-modified": "Sat, 21 Nov 2026 10:00:00 GMT", "x-goog-generation": "1", "content-length": HELLO.length };
  server = createServer({ cert: await readFile(cert), key: await readFile(key) }, (_, answer) => void answer.writeHead(200, headers).end(HELLO));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await directory.remove();
});

async function open(kind: (typeof KINDS)[number], proxy?: string, { at = `https://${host}`, authorities = caFile } = {}): Promise<Storage> {
  for (const name of ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"]) vi.stubEnv(name, process.env[name] ?? "");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "key");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  vi.stubEnv("AZURE_STORAGE_KEY", Buffer.from("key").toString("base64"));
  const { connection, s3, gs, azblob } = DEFAULT_SETTINGS;
  const endpoint = at;
  const settings = {
    ...DEFAULT_SETTINGS,
    connection: { ...connection, caFile: authorities || undefined, proxy, idleLimitMs: 5_000, triesMax: 1 },
    s3: { ...s3, endpoint, pathStyle: true, region: "us-east-1" },
    gs: { ...gs, endpoint },
    azblob: { ...azblob, endpoint: `${endpoint}/account` },
  };
  return openStorage({ s3: "s3://bucket/etcd", gs: "gs://bucket/etcd", azblob: "azblob://account/container/etcd" }[kind], settings, quietRuntime);
}

async function readHello(storage: Storage): Promise<void> {
  expect(Buffer.from(await collect(storage.read("k", { signal }), 100, () => new Error("too long"))).toString()).toBe(HELLO);
}

test.each(KINDS)("%s storage: goes through the proxy of the environment by a tunnel, and past it where NO_PROXY names the store", async (kind) => {
  await using proxy = await startConnectProxy();
  vi.stubEnv("HTTPS_PROXY", proxy.url);
  await readHello(await open(kind));
  expect(proxy.tunnels).toEqual([host]);
  vi.stubEnv("NO_PROXY", "elsewhere.example,127.0.0.1");
  await readHello(await open(kind));
  expect(proxy.tunnels).toHaveLength(1);
});

test.each(KINDS)("%s storage: the proxy that is named counts, whatever the environment says", async (kind) => {
  await using named = await startConnectProxy();
  await using other = await startConnectProxy();
  vi.stubEnv("HTTPS_PROXY", other.url);
  vi.stubEnv("NO_PROXY", "127.0.0.1");
  await readHello(await open(kind, named.url));
  expect([named.tunnels, other.tunnels]).toEqual([[host], []]);
});

test.each(KINDS)("%s storage: a proxy that cannot be reached is said to be one, wherever it is named", async (kind) => {
  const step = async () => readHello(await open(kind, "http://127.0.0.1:1"));
  const error = await expectThrown("STORAGE_UNREACHABLE", step, /127\.0\.0\.1:\d+: the proxy 127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
  expect(error.hint).toMatch(/--storage-proxy.*HTTPS_PROXY/);
  vi.stubEnv("HTTPS_PROXY", "http://user:hunter2@nowhere.invalid:1");
  const named = await expectThrown("STORAGE_UNREACHABLE", async () => readHello(await open(kind)), /the proxy nowhere\.invalid:1 cannot be reached/);
  expect(named.message).not.toContain("hunter2");
  vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:2");
  vi.stubEnv("NO_PROXY", "127.0.0.1");
  const gone = async () => readHello(await open(kind, undefined, { at: "https://127.0.0.1:1" }));
  await expectThrown("STORAGE_UNREACHABLE", gone, /127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1$/);
});

test.each(KINDS)("%s storage: a variable that is no proxy's URL is refused by its name, and not repeated", async (kind) => {
  const variables = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
  const hosts = ["pa#hidden@h:1", "pa?hidden@h:1", "pa/hidden@h:1", "hi%dden@h:1", "hidden@", "hidden@:::9", "hid\nden@h:1", "hidden@h:99999", "12/hidden@h:1"];
  for (const name of variables) {
    for (const rest of [...hosts, "12#hidden@h:1", "12\\hidden@h:1"]) {
      for (const scheme of ["http", "https", "HTTP"]) {
        vi.stubEnv(name, `${scheme}://user:${rest}`);
        const error = await expectThrown("CONFIG_INVALID", async () => open(kind), new RegExp(`^${name} `));
        expect(error.hint).toMatch(/percent-encoded.*--storage-proxy/);
        expect(inspect(error)).not.toMatch(/user:|hid|dden|user:12/);
      }
    }
    vi.unstubAllEnvs();
  }
  for (const name of [...variables, "ALL_PROXY"]) vi.stubEnv(name, "http://user:pa/hidden@h:1");
  await using named = await startConnectProxy();
  await readHello(await open(kind, named.url)); // Nobody asks for the variable then.
});

test.each(KINDS)("%s storage: a proxy that is none for HTTP is refused, not left out", async (kind) => {
  for (const value of [
    "127.0.0.1:9",
    "localhost:9",
    "user:hidden@h:1",
    "user://hidden@h:1",
    "socks5://user:hidden@127.0.0.1:9",
    "ftp://h",
    "http:h:1",
    "http:/h",
  ]) {
    for (const name of ["HTTPS_PROXY", "http_proxy"]) {
      vi.stubEnv(name, value);
      const error = await expectThrown("CONFIG_INVALID", async () => open(kind), new RegExp(`^${name} does not begin with http:// or https://`));
      expect(inspect(error)).not.toContain("hidden");
      vi.unstubAllEnvs();
    }
    await expectThrown("CONFIG_INVALID", async () => open(kind, value), /^--storage-proxy does not begin with/);
  }
});

test.each(KINDS)("%s storage: a scheme in capitals names the same proxy", async (kind) => {
  await using proxy = await startConnectProxy();
  vi.stubEnv("HTTPS_PROXY", proxy.url.replace("http", "HTTP"));
  await readHello(await open(kind));
  await readHello(await open(kind, proxy.url.replace("http", "HTTP")));
  expect(proxy.tunnels.length).toBeGreaterThanOrEqual(2);
});

test("proxies: no password is ever repeated, whatever is in it and wherever it is named", async () => {
  const special = fc.string({ unit: fc.constantFrom(..."/?#%@:[]\\ \t\n\"'<>^|{}&=+1aé\u{1f511}"), maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(special, special, fc.constantFrom(...KINDS), fc.constantFrom("http", "https"), async (before, after, kind, scheme) => {
      vi.stubEnv("HTTPS_PROXY", `${scheme}://user:${before}hunter2${after}@127.0.0.1:1`);
      const error: unknown = await open(kind)
        .then(readHello, (refused: unknown) => refused)
        .catch((failed: unknown) => failed);
      expect(error).toMatchObject({ code: expect.stringMatching(/^(CONFIG_INVALID|STORAGE_UNREACHABLE)$/) });
      expect(inspect(error, { depth: 1 })).not.toContain("hunter2");
    }),
    { seed: SEED, numRuns: runs(100, 2000) },
  );
});

test("proxies: a percent-encoded user and password reach the proxy as they are", async () => {
  const password = "p/?#%@:\\ é";
  const seen: (string | undefined)[] = [];
  const refusing = createPlainServer().on("connect", ({ headers }, client) => {
    seen.push(headers["proxy-authorization"]);
    client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  });
  refusing.listen(0, "127.0.0.1");
  await once(refusing, "listening");
  try {
    vi.stubEnv("https_proxy", ` HTTP://user:${encodeURIComponent(password)}@127.0.0.1:${(refusing.address() as AddressInfo).port}\n`);
    await expectThrown("STORAGE_DENIED", async () => readHello(await open("gs")), /407/);
    expect(seen).toEqual([`Basic ${Buffer.from(`user:${password}`).toString("base64")}`]);
  } finally {
    refusing.close();
    refusing.closeAllConnections();
  }
});

test.each(KINDS)("%s storage: a proxy that wants to know who asks is no store that denies anything", async (kind) => {
  const refusing = createPlainServer((_, answer) => void answer.writeHead(407).end("who are you?"));
  refusing.on("connect", (_, client) => client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
  refusing.listen(0, "127.0.0.1");
  await once(refusing, "listening");
  try {
    const proxy = `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
    for (const at of [`https://${host}`, "http://127.0.0.1:1"]) {
      const error = await expectThrown("STORAGE_DENIED", async () => readHello(await open(kind, proxy, { at })), /the proxy on the way refuses .*407/);
      expect(error.hint).toMatch(/HTTPS_PROXY/);
    }
  } finally {
    refusing.close();
    refusing.closeAllConnections();
  }
});

test.each(KINDS)("%s storage: a certificate that nobody trusts, and TLS where there is none, are said in one line and not tried again", async (kind) => {
  const untrusting = async () => readHello(await open(kind, undefined, { authorities: "" }));
  const error = await expectThrown("STORAGE_TLS_FAILED", untrusting, /127\.0\.0\.1:\d+: its certificate cannot be trusted: /);
  expect(error).toMatchObject({ message: expect.not.stringMatching(/Node|--use-system-ca|\n/), hint: expect.stringContaining("--storage-ca") });
  const plain = createPlainServer((_, answer) => void answer.end(HELLO)).listen(0, "127.0.0.1");
  await once(plain, "listening");
  try {
    const at = `https://127.0.0.1:${(plain.address() as AddressInfo).port}`;
    const wrong = await expectThrown("STORAGE_TLS_FAILED", async () => readHello(await open(kind, undefined, { at })), /: it does not speak TLS$/);
    expect(wrong.hint).toMatch(/http:\/\//);
  } finally {
    plain.close();
    plain.closeAllConnections();
  }
});

test.each(KINDS)("%s storage: a file of authorities of which one cannot be parsed is refused when it is read", async (kind) => {
  const good = await readFile(caFile, "utf8");
  const at = join(directory.path, `${kind}.crt`);
  const begin = "-----BEGIN CERTIFICATE-----\n";
  const end = "\n-----END CERTIFICATE-----\n";
  for (const bad of [`${begin}rubbish${end}`, `${begin}${Buffer.alloc(300, 7).toString("base64")}${end}`, good.slice(0, 200)]) {
    for (const [text, which] of [
      [bad, "1 of 1"],
      [`${good}\n# another\n${bad}`, "2 of 2"],
      [`${bad}\n${good}`, "1 of 2"],
    ] as const) {
      await writeFile(at, text);
      const why = new RegExp(`^certificate ${which} in ${at} cannot be parsed: (?!error:)`);
      const error = await expectThrown("CONFIG_INVALID", () => open(kind, undefined, { authorities: at }), why);
      expect(error.hint).toContain("--storage-ca");
    }
  }
  await writeFile(at, "no authority");
  await expectThrown("CONFIG_INVALID", () => open(kind, undefined, { authorities: at }), /holds no certificate authority/);
  await writeFile(at, `# the store's\r\n${good.replaceAll("\n", "\r\n")}\n# the same\n${good}`);
  await readHello(await open(kind, undefined, { authorities: at }));
});

test.each(KINDS)("%s storage: another web server at the endpoint is neither damage nor missing permissions", async (kind) => {
  let answer = { status: 404, body: "404 page not found\n" };
  const other = createPlainServer((_, response) => void response.writeHead(answer.status).end(answer.body)).listen(0, "127.0.0.1");
  await once(other, "listening");
  try {
    const storage = await open(kind, undefined, { at: `http://127.0.0.1:${(other.address() as AddressInfo).port}` });
    const steps = [() => Array.fromAsync(storage.list("", { signal })), () => storage.put("k", streamOf(Buffer.from(HELLO)), { signal })];
    for (const body of ["404 page not found\n", "<html>not found</html>", ""]) {
      answer = { status: 404, body };
      for (const step of steps) {
        const error = await expectThrown("CONFIG_INVALID", step, /^cannot .*: what answers there is not .* \(HTTP status 404\)$/);
        expect(error.hint).toContain(`--${kind}-endpoint`);
      }
    }
    answer = { status: 400, body: "Client sent an HTTP request to an HTTPS server.\n" };
    for (const step of steps) await expectThrown("CONFIG_INVALID", step, /what answers there is not/);
    answer = { status: 200, body: "a page to log in" };
    await expectThrown("STORAGE_UNREACHABLE", steps[0]!, /what answers there is not .* \(HTTP status 200\)$/);
  } finally {
    other.close();
    other.closeAllConnections();
  }
});
