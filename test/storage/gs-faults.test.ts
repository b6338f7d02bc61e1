// What Google Cloud Storage does to a backup on bad days, and what fake-gcs-server cannot do at all.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ByteStream, collect, streamOf } from "../../src/bytes/stream.ts";
import { openGsStorage } from "../../src/storage/gs.ts";
import type { GsSettings } from "../../src/storage/settings.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { expectThrown } from "../support/failures.ts";
import { type ScriptedRequest, startScriptedGcs } from "../support/scripted-gcs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const { signal } = new AbortController();
const MIB = 1024 * 1024;
/** Two chunks and a piece of a third. */
const LARGE = randomBytes(9 * MIB + 17);
const HELLO = Buffer.from("hello, here is a manifest that is long enough to be changed in its middle");

test("gs storage: a chunk whose connection breaks is sent on from what the store has kept of it, and nothing twice", async () => {
  await using server = await startScriptedGcs((request, index) => (isChunk(request) && index === 2 ? { cutAfterBytes: 1_000_000 } : undefined));
  const { storage } = await open(server.url);
  await storage.put("large", inChunks(LARGE), { signal });
  expect(await digestOf(storage, "large")).toBe(digest(LARGE));
  expect(server.requests.filter(isChunk).reduce((sum, { body }) => sum + body.length, 0)).toBe(LARGE.length);
  expect(server.requests.filter(isQuery)).toHaveLength(1);
});

test("gs storage: an upload whose last answer is lost is found to be done, also where it was to be the first of its name", async () => {
  const isLast = (request: Omit<ScriptedRequest, "body">) => /\/\d+$/.test(String(request.headers["content-range"]));
  let lost = 0;
  await using server = await startScriptedGcs((request) =>
    lost === 0 && (isLast(request) || isWhole(request)) && ++lost === 1 ? { cut: "afterwards" } : undefined,
  );
  const { storage } = await open(server.url);
  for (const body of [LARGE, HELLO]) {
    lost = 0;
    const info = await storage.put(`key-${body.length}`, inChunks(body), { signal, ifAbsent: true });
    expect(lost).toBe(1);
    expect(await storage.stat(`key-${body.length}`, { signal })).toEqual(info);
  }
});

test("gs storage: an object of the same name that another writer made in between is a conflict, also with the same content, and after an answer that was lost", async () => {
  await using server = await startScriptedGcs();
  const { storage } = await open(server.url);
  const other = await open(server.url);
  const body = async function* () {
    await other.storage.put("fence", streamOf(HELLO), { signal, ifAbsent: true });
    const from = server.requests.length;
    server.change((_, index) => (index === from ? { cut: "afterwards" } : undefined));
    yield HELLO;
  };
  await expectThrown("STORAGE_CONFLICT", () => storage.put("fence", body(), { signal, ifAbsent: true }), /cannot write fence in gs:\/\/backups\/etcd/);
});

test("gs storage: an upload that the store has forgotten fails as one that may be run again", async () => {
  await using server = await startScriptedGcs((request, index) => (isChunk(request) && index > 1 ? { status: 410 } : undefined));
  const { storage } = await open(server.url);
  await expectThrown("STORAGE_UNREACHABLE", () => storage.put("large", inChunks(LARGE), { signal }), /cannot write large in .*no longer knows of the upload/);
});

test("gs storage: bursts of 503 and 429 are waited out, as long as the store asks; a store that stays so is said to", async () => {
  await using server = await startScriptedGcs((_, index) =>
    index === 0 ? { status: 429, headers: { "retry-after": "7" } } : index === 1 ? { status: 503 } : undefined,
  );
  const { storage, waits } = await open(server.url);
  await storage.put("k", streamOf(HELLO), { signal });
  expect(waits).toHaveLength(2);
  expect(waits[0]).toBeGreaterThanOrEqual(7_000);
  server.change(() => ({ status: 429, body: JSON.stringify({ error: { message: "Too many requests for the object" } }) }));
  await expectThrown("STORAGE_THROTTLED", () => storage.stat("k", { signal }), /cannot look up k .*Too many requests for the object \(HTTP status 429\)/);
  server.change(() => ({ status: 500 }));
  await expectThrown("STORAGE_UNREACHABLE", () => storage.stat("k", { signal }), /HTTP status 500/);
});

test("gs storage: a socket that says nothing is given up after the idle limit, and tried again", async () => {
  await using server = await startScriptedGcs((_, index) => (index < 2 ? { silent: true } : undefined));
  const { storage } = await open(server.url, { idleLimitMs: 150 });
  await storage.put("k", streamOf(HELLO), { signal });
  expect(server.requests).toHaveLength(3);
  server.change(() => ({ silent: true }));
  await expectThrown("STORAGE_UNREACHABLE", () => storage.stat("k", { signal }), /127\.0\.0\.1:\d+: no byte for 0\.15 s/);
});

test("gs storage: bytes that change on their way are refused by the store, and taken away where it does not look", async () => {
  await using server = await startScriptedGcs((request) => (isWhole(request) ? { corrupt: true } : undefined));
  const { storage } = await open(server.url);
  await expectThrown("OBJECT_CORRUPT", () => storage.put("k", streamOf(HELLO), { signal }), /the store has got other bytes than were sent/);
  expect(server.objects.size).toBe(0);
  server.change((request) => (isChunk(request) ? { corrupt: true } : undefined));
  await expectThrown("STORAGE_DENIED", () => storage.put("large", inChunks(LARGE), { signal }), /doesn't match calculated CRC32C/);
  expect(server.objects.size).toBe(0);
});

test("gs storage: an upload that fails or is aborted is cancelled at the store", async () => {
  await using server = await startScriptedGcs();
  const { storage } = await open(server.url);
  const broken = async function* () {
    yield LARGE;
    throw new Error("the source broke");
  };
  await expect(storage.put("k", broken(), { signal })).rejects.toThrow("the source broke");
  const controller = new AbortController();
  const aborted = async function* () {
    yield LARGE;
    controller.abort(new Error("enough"));
    yield LARGE;
  };
  await expect(storage.put("k", aborted(), { signal: controller.signal })).rejects.toThrow("enough");
  expect(server.requests.filter(({ method }) => method === "DELETE")).toHaveLength(2);
  expect(server.sessions.size).toBe(0);
  expect(server.objects.size).toBe(0);
});

test("gs storage: a download goes on where its connection broke, in the same version", async () => {
  await using server = await startScriptedGcs();
  const { storage } = await open(server.url);
  const { version } = await storage.put("large", inChunks(LARGE), { signal });
  const from = server.requests.length;
  server.change((_, index) => (index === from ? { answerBytes: 1_000_000 } : index === from + 1 ? { answerBytes: 2_000_000 } : undefined));
  expect(await digestOf(storage, "large")).toBe(digest(LARGE));
  const reads = server.requests.slice(from);
  expect(reads.map(({ headers }) => headers.range)).toEqual([undefined, "bytes=1000000-", "bytes=3000000-"]);
  expect(reads.map(({ query }) => query.get("generation"))).toEqual([null, version, version]);
});

test("gs storage: tells the store the storage class and the key to encrypt with, for objects of any size", async () => {
  await using server = await startScriptedGcs();
  const kmsKey = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";
  const { storage } = await open(server.url, { gs: { storageClass: "NEARLINE", kmsKey } });
  await storage.put("small", streamOf(HELLO), { signal });
  await storage.put("large", inChunks(LARGE), { signal });
  const begun = server.requests.filter(({ method }) => method === "POST");
  expect(begun.map(({ query }) => query.get("kmsKeyName"))).toEqual([kmsKey, kmsKey]);
  for (const { resource } of server.objects.values()) expect(resource).toMatchObject({ storageClass: "NEARLINE" });
});

test("gs storage: says what the store refuses, and why, without its tokens", async () => {
  await using server = await startScriptedGcs();
  const { storage } = await open(server.url);
  const answer = (status: number, message: string, reason = "") =>
    server.change(() => ({ status, body: JSON.stringify({ error: { message, errors: [{ reason }] } }) }));
  answer(403, "sa@p.iam.gserviceaccount.com does not have storage.objects.create access", "forbidden");
  await expectThrown("STORAGE_DENIED", () => storage.put("k", streamOf(HELLO), { signal }), /sa@p\S+ does not have storage\.objects\.create access/);
  answer(403, "slow down", "rateLimitExceeded");
  await expectThrown("STORAGE_THROTTLED", () => storage.stat("k", { signal }), /slow down/);
  answer(404, "The specified bucket does not exist.");
  await expectThrown("REPOSITORY_NOT_FOUND", () => Array.fromAsync(storage.list("", { signal })), /the bucket does not exist/);
  await expectThrown("REPOSITORY_NOT_FOUND", () => storage.put("k", streamOf(HELLO), { signal }), /the bucket does not exist/);
  answer(412, "At least one of the pre-conditions you specified did not hold.");
  await expectThrown("STORAGE_CONFLICT", () => storage.put("k", streamOf(HELLO), { signal, ifVersion: "1" }), /pre-conditions/);
});

test("gs storage: workload identity: a token is had for what the token file holds, and another once it is refused in the middle of an upload", async () => {
  await using tokens = await startTokenEndpoint();
  await using server = await startScriptedGcs((request) =>
    request.headers.authorization === `Bearer ${tokens.valid()}`
      ? undefined
      : { status: 401, body: JSON.stringify({ error: { message: "Invalid Credentials" } }) },
  );
  await using directory = await temporaryDirectory("gs");
  const subject = join(directory.path, "token");
  await writeFile(subject, "subject-1");
  const credentials = join(directory.path, "credentials.json");
  const account = { type: "external_account", audience: "//iam.googleapis.com/projects/1/x", subject_token_type: "urn:ietf:params:oauth:token-type:jwt" };
  await writeFile(credentials, JSON.stringify({ ...account, token_url: `${tokens.url}/token`, credential_source: { file: subject } }));
  const { storage } = await open(server.url, { gs: { credentials } });
  const body = async function* () {
    yield LARGE.subarray(0, 6 * MIB);
    await writeFile(subject, "subject-2");
    tokens.expire();
    yield LARGE.subarray(6 * MIB);
  };
  await storage.put("large", body(), { signal });
  expect(await digestOf(storage, "large")).toBe(digest(LARGE));
  expect(tokens.subjects).toEqual(["subject-1", "subject-2"]);
  tokens.refuse();
  const error = await expectThrown("STORAGE_DENIED", () => storage.stat("large", { signal }), /no access token for Google Cloud: .*invalid_grant/);
  expect(`${error.message} ${error.hint}`).not.toContain("subject-2");
  await writeFile(credentials, "secret-in-a-broken-file");
  const unreadable = await expectThrown("CONFIG_INVALID", () => storage.stat("large", { signal }), /credentials\.json are not those of a service account/);
  expect(unreadable.message).not.toContain("secret");
});

test("gs storage: a version is locked and held by its generation", async () => {
  await using server = await startScriptedGcs();
  const { storage } = await open(server.url);
  const until = new Date("2027-01-01T00:00:00Z");
  server.change((request) => {
    if (request.path === "/storage/v1/b/backups") return { status: 200, body: JSON.stringify({ objectRetention: { mode: "Enabled" } }) };
    return { status: 200, body: JSON.stringify({ retention: { mode: "Locked", retainUntilTime: until.toISOString() }, temporaryHold: true }) };
  });
  const locks = storage.locks!;
  expect(await locks.defaults({ signal })).toEqual({ retention: undefined });
  await locks.lock("a/b", "17", { retention: { mode: "compliance", until }, legalHold: true }, { signal });
  const { method, query, body, path } = server.requests.at(-1)!;
  expect({ method, path, generation: query.get("generation") }).toEqual({ method: "PATCH", path: "/storage/v1/b/backups/o/etcd/a/b", generation: "17" });
  expect(JSON.parse(body.toString())).toEqual({ retention: { mode: "Locked", retainUntilTime: "2027-01-01T00:00:00.000Z" }, temporaryHold: true });
  expect(await locks.state("a/b", "17", { signal })).toEqual({ retention: { mode: "compliance", until }, legalHold: true });
  server.change(() => ({ status: 200, body: JSON.stringify({ retentionPolicy: { retentionPeriod: "90000", isLocked: true } }) }));
  expect(await locks.defaults({ signal })).toEqual({ retention: { mode: "compliance", days: 2 } });
});

test("gs storage: what is locked in any way is listed with one request, whatever the bucket was made with", async () => {
  await using server = await startScriptedGcs();
  const { storage } = await open(server.url);
  const [mode, soon, later] = ["Unlocked", "2027-01-01T00:00:00.000Z", "2028-01-01T00:00:00.000Z"];
  const items = [
    { name: "etcd/x/free" },
    { name: "etcd/x/held", temporaryHold: true },
    { name: "etcd/x/event", eventBasedHold: true, temporaryHold: false },
    { name: "etcd/x/kept", retention: { mode, retainUntilTime: soon }, retentionExpirationTime: later },
    { name: "etcd/x/own", retention: { mode, retainUntilTime: later }, retentionExpirationTime: soon },
  ];
  server.change(({ query }) => ({ status: 200, body: JSON.stringify({ items: items.filter(({ name }) => name.startsWith(query.get("prefix") ?? "")) }) }));
  const held = { retention: undefined, legalHold: true };
  const until = new Date(later!);
  expect(await storage.locks!.canHold({ signal })).toBe(true);
  expect(await Array.fromAsync(storage.locks!.list("x/", { signal }))).toEqual([
    { key: "x/held", lock: held },
    { key: "x/event", lock: held },
    { key: "x/kept", lock: { retention: { mode: "compliance", until }, legalHold: false } },
    { key: "x/own", lock: { retention: { mode: "governance", until }, legalHold: false } },
  ]);
  const asked = server.requests.map(({ query }) => query.get("fields"));
  expect(new Set(asked)).toEqual(new Set(["nextPageToken,items(name,retention,temporaryHold,eventBasedHold,retentionExpirationTime)"]));
});

test.each([
  ["objectUnderActiveHold", /a hold, keeps this object/],
  ["retentionPolicyNotMet", /retention, or a hold, keeps/],
  ["forbidden", /roles\/storage\.objectUser/],
])("gs storage: a removal that is refused for %s says what to do about it", async (reason, hint) => {
  await using server = await startScriptedGcs(() => ({ status: 403, body: JSON.stringify({ error: { message: "refused", errors: [{ reason }] } }) }));
  const { storage } = await open(server.url);
  const error = await expectThrown("STORAGE_DENIED", () => storage.remove("a", { signal }), /cannot remove a in .*: refused/);
  expect(error.hint).toMatch(hint);
});

test("gs storage: the time is the store's, of an answer of any kind", async () => {
  await using server = await startScriptedGcs(() => ({ status: 403, headers: { date: "Sat, 21 Nov 2026 10:00:00 GMT" } }));
  const { storage } = await open(server.url);
  const { time, uncertaintyMs } = await storage.clock!.now({ signal });
  expect(Math.abs(time.getTime() - Date.parse("2026-11-21T10:00:00.500Z"))).toBeLessThanOrEqual(uncertaintyMs);
  expect(uncertaintyMs).toBeLessThan(2_000);
});

/** Retries do not wait in truth: `waits` tells how long they would have. */
async function open(endpoint: string, { gs = {}, idleLimitMs = 5_000 }: { readonly gs?: Partial<GsSettings>; readonly idleLimitMs?: number } = {}) {
  const waits: number[] = [];
  const runtime = { ...testRuntime(), sleep: async (delayMs: number) => void waits.push(delayMs) };
  const connection = { caFile: undefined, proxy: undefined, idleLimitMs, triesMax: 4 };
  const settings = { connection, gs: { endpoint, storageClass: undefined, kmsKey: undefined, credentials: undefined, ...gs } };
  return { waits, storage: await openGsStorage({ bucket: "backups", prefix: "etcd" }, settings, runtime) };
}

/** Google's Security Token Service: gives a token for a subject's token (RFC 8693). */
async function startTokenEndpoint() {
  let serial = 0;
  let refuses = false;
  const subjects: string[] = [];
  const server = createServer(async (incoming, answer) => {
    const form = new URLSearchParams(Buffer.concat(await Array.fromAsync(incoming)).toString());
    subjects.push(form.get("subject_token") ?? "");
    if (refuses)
      return void answer.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: "invalid_grant", error_description: "expired" }));
    const token = {
      access_token: `token-${serial}`,
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
      token_type: "Bearer",
      expires_in: 3600,
    };
    answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(token));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    subjects,
    valid: () => `token-${serial}`,
    expire: () => void serial++,
    refuse: () => {
      refuses = true;
      serial++;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function isChunk({ headers }: Pick<ScriptedRequest, "headers">): boolean {
  return /^bytes \d/.test(String(headers["content-range"]));
}

function isQuery({ headers }: Pick<ScriptedRequest, "headers">): boolean {
  return /^bytes \*/.test(String(headers["content-range"]));
}

function isWhole({ query }: Pick<ScriptedRequest, "query">): boolean {
  return query.get("uploadType") === "multipart";
}

async function digestOf(storage: Storage, key: string): Promise<string> {
  return digest(await collect(storage.read(key, { signal }), 64 * MIB, () => new Error("too long")));
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function* inChunks(all: Uint8Array): ByteStream & AsyncGenerator<Uint8Array> {
  for (let at = 0; at < all.length; at += 100_003) yield all.subarray(at, at + 100_003);
}
