// What can be wrong with the live etcd, or on the way to it, caused for real: a save says so and leaves nothing.
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGrpcProxy } from "../faults/kit/grpc-proxy.ts";
import { startProxy } from "../faults/kit/proxy.ts";
import { type CertificateAuthority, createAuthority } from "../support/certificates.ts";
import { runCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PASSWORD = "correct horse";
const ROOT = { ETCDSAFE_PASSWORD: PASSWORD };
const TOKEN_TTL_SECONDS = 2;
const directory = await temporaryDirectory("errors-etcd");
const output = join(directory.path, "etcd.db");
let authority: CertificateAuthority;
/** With keys; behind it by some revisions; with passwords. */
let clusters: Record<"plain" | "behind" | "guarded" | "mutual" | "expired", EtcdCluster>;

beforeAll(async () => {
  authority = await createAuthority(directory.path);
  const server = await authority.issue({ name: "server" });
  const client = await authority.issue({ name: "client" });
  const expired = await authority.issue({ name: "expired", validDays: { from: -3, to: -1 } });
  const caPath = authority.path;
  const [plain, behind, guarded, mutual, late] = await Promise.all([
    startCluster({ minor: "3.7" }),
    startCluster({ minor: "3.6", electionTimeoutMs: 1000 }),
    startCluster({ minor: "3.7", electionTimeoutMs: 1000, extraArgs: ["--auth-token-ttl", String(TOKEN_TTL_SECONDS), "--bcrypt-cost", "4"] }),
    startCluster({ waitFor: "serving", tls: { caPath, server, client, requireClientCertificate: true } }),
    startCluster({ waitFor: "serving", tls: { caPath, server: expired }, extraArgs: ["--trusted-ca-file", ""] }),
  ]);
  clusters = { plain, behind, guarded, mutual, expired: late };
  await putMany(
    await plain.client(),
    Array.from({ length: 50 }, (_, index) => ({ key: `key-${index}`, value: "x".repeat(2000) })),
  );
  await guarded.etcdctl(["role", "add", "reader"]);
  await guarded.etcdctl(["role", "grant-permission", "reader", "read", "--prefix", ""]);
  await guarded.etcdctl(["user", "add", "ann:secret"]);
  await guarded.etcdctl(["user", "grant-role", "ann", "reader"]);
  await guarded.enableAuth(PASSWORD);
});

afterAll(async () => {
  for (const cluster of Object.values(clusters ?? {})) await cluster.stop();
  await directory.remove();
});

const url = (kind: keyof typeof clusters): string => clusters[kind].endpoints[0]!;

/** A save that is to fail: no file is there afterwards, nor a part of one. */
async function saved(endpoint: string, flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const result = await runCli(["save", "--output", output, "--endpoints", endpoint, ...flags], { env });
  expect((await readdir(directory.path)).filter((name) => name.startsWith(basename(output)))).toEqual([]);
  return result;
}

test("nothing listens, or nobody is there", async () => {
  const [port] = await claimPorts(1);
  const nowhere = `http://127.0.0.1:${port}`;
  expectFailure("ETCD_UNREACHABLE", await saved(nowhere), { message: /^http:\/\/127\.0\.0\.1:\d+: cannot connect: connect ECONNREFUSED/ });
  expectFailure("ETCD_UNREACHABLE", await saved(`${nowhere},http://no-such-host.invalid:2379`, ["-o", "json"]), {
    message: /^none of 2 endpoints can be used \(http:\/\/127\.0\.0\.1:\d+: cannot connect: .*; http:\/\/no-such-host\.invalid:2379: cannot connect: /,
  });
  await releasePorts([port!]);
});

test("a certificate that cannot be trusted: of another authority, expired", async () => {
  const stranger = await createAuthority(directory.path, "stranger");
  expectFailure("ETCD_TLS_FAILED", await saved(url("mutual"), ["--cacert", stranger.path]), {
    message: /^https:.*: etcd's certificate cannot be trusted: unable to verify the first certificate$/,
  });
  expectFailure("ETCD_TLS_FAILED", await saved(url("mutual")), { message: /cannot be trusted: unable to verify the first certificate$/ });
  // The host's own authorities are asked where none is given; this one is among them, and so the next obstacle comes.
  expectFailure("ETCD_CLIENT_CERT_REQUIRED", await saved(url("mutual"), [], { SSL_CERT_FILE: authority.path }), { message: /none was given/ });
  expectFailure("ETCD_TLS_FAILED", await saved(url("expired"), ["--cacert", authority.path]), {
    message: /^https:.*: etcd's certificate cannot be trusted: certificate has expired$/,
    hint: /^Renew etcd's server certificate, and check this host's clock\.$/,
  });
  expectFailure("ETCD_TLS_FAILED", await saved(url("mutual").replace("https", "http")), { message: /: etcd speaks TLS here$/, hint: /https:.*--cacert/ });
  expectFailure("ETCD_TLS_FAILED", await saved(url("plain").replace("http", "https")), { message: /: etcd speaks plain HTTP here$/, hint: /http:/ });
});

test("no client certificate, or one that etcd refuses", async () => {
  const given = ["--cacert", authority.path];
  expectFailure("ETCD_CLIENT_CERT_REQUIRED", await saved(url("mutual"), given), { message: /: etcd wants a client certificate, and none was given: / });
  const { cert, key } = await authority.issue({ name: "old-client", validDays: { from: -3, to: -1 } });
  expectFailure("ETCD_CLIENT_CERT_REQUIRED", await saved(url("mutual"), [...given, "--cert", cert, "--key", key]), {
    message: /: etcd refuses the client certificate: /,
  });
});

test("a wrong password, no user at all, and a user who may not", async () => {
  expectFailure("ETCD_AUTH_FAILED", await saved(url("guarded"), ["--user", "root"], { ETCDSAFE_PASSWORD: "wrong" }), {
    message: /^http:.*: the login of user root failed: etcdserver: authentication failed, invalid user ID or password$/,
  });
  expectFailure("ETCD_AUTH_FAILED", await saved(url("guarded")), { message: /failed: .*user name is empty$/, hint: /give --user and --password-file/ });
  expectFailure("ETCD_PERMISSION_DENIED", await saved(url("guarded"), ["--user", "ann"], { ETCDSAFE_PASSWORD: "secret" }), {
    message: /^http:.*: Maintenance\/Snapshot failed: .*permission denied$/,
  });
});

test("a token that has expired meanwhile: the refusal is no failure, since it logs in again", async () => {
  const asksFirst = (method: string, calls: readonly string[]) => method === "Maintenance/Snapshot" && !calls.includes(method);
  const expiredMs = (TOKEN_TTL_SECONDS + 1.5) * 1000; // etcd looks for expired tokens once a second.
  await using proxy = await startGrpcProxy(url("guarded"), (method, calls) => (asksFirst(method, calls) ? { delayMs: expiredMs } : {}));
  const file = join(directory.path, "late.db");
  const result = await runCli(["save", "--output", file, "--endpoints", proxy.url, "--user", "root"], { env: ROOT });
  expect(result.exitCode, result.stderr).toBe(0);
  expect(proxy.refusals).toEqual(["Maintenance/Snapshot 16 etcdserver: invalid auth token"]);
  expect(proxy.calls.filter((method) => method === "Auth/Authenticate")).toHaveLength(2);
  expect(existsSync(file)).toBe(true);
});

test("an answer that is not etcd's: a web server, a balancer with nobody behind it", async () => {
  const server = createServer((_, response) => response.writeHead(404, { "content-type": "text/html" }).end("<html></html>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expectFailure("ETCD_REQUEST_FAILED", await saved(address), {
    message: /^http:.*: Maintenance\/Status failed: answered HTTP 404 with text\/html instead of gRPC$/,
    hint: /is not etcd, or a proxy/,
  });
  server.close();
  await using proxy = await startGrpcProxy(url("plain"), (method) => (method === "Maintenance/Snapshot" ? { status: 503 } : {}));
  expectFailure("ETCD_REQUEST_FAILED", await saved(proxy.url), {
    message: /^http:.*: Maintenance\/Snapshot failed: answered HTTP 503 with text\/plain/,
    hint: /is not etcd, or a proxy/,
  });
});

test("a snapshot from a member that is behind", async () => {
  await using proxy = await startGrpcProxy(url("plain"), (method) => (method === "Maintenance/Snapshot" ? { target: url("behind") } : {}));
  expectFailure("ETCD_MEMBER_STALE", await saved(proxy.url), { message: /^http:.* sent a snapshot at revision 1, though its cluster was at 51 before$/ });
});

test("endpoints of two clusters", async () => {
  expectFailure("CLUSTER_MISMATCH", await saved(`${url("plain")},${url("behind")}`), {
    message: /^the endpoints belong to different clusters: http:.* of cluster [0-9a-f]{16}; http:.* of cluster [0-9a-f]{16}$/,
    hint: /^Give --endpoints of one cluster\.$/,
  });
});

test("a stream that breaks off, or stands still", async () => {
  await using cutting = await startProxy(url("plain"), { toClient: { cutAfterBytes: 60_000 } });
  expectFailure("ETCD_STREAM_CUT", await saved(`http://127.0.0.1:${cutting.port}`), {
    message: /^http:.*: the snapshot stream broke off after \d+ of \d+ bytes: /,
  });
  await using stalling = await startProxy(url("plain"), { toClient: { stallAfterBytes: 60_000 } });
  expectFailure("ETCD_STREAM_STALLED", await saved(`http://127.0.0.1:${stalling.port}`, ["--stall-limit", "1s"]), {
    message: /^http:.*: the member sent nothing for 1000 ms, after \d+ of \d+ bytes of the snapshot$/,
  });
});

test("bytes that change on the way: in the database, and in what holds it", async () => {
  const flipped = (at: number) => (method: string) => {
    const answer = (chunk: Buffer, offset: number) => (at < offset || at >= offset + chunk.length ? chunk : flip(chunk, at - offset));
    return method === "Maintenance/Snapshot" ? { answer } : {};
  };
  await using inside = await startGrpcProxy(url("plain"), flipped(20_000));
  expectFailure("SNAPSHOT_HASH_MISMATCH", await saved(inside.url), {
    message: /^etcd sent the SHA-256 [0-9a-f]{64}, but the bytes that arrived give [0-9a-f]{64}$/,
    hint: /^The bytes changed on the way, in memory or in the local copy; nothing was published\. .* or the disk of \//,
  });
  await using around = await startGrpcProxy(url("plain"), flipped(0));
  expectFailure("ETCD_REQUEST_FAILED", await saved(around.url), {
    message: /^http:.*: the snapshot stream is not what etcd sends: the snapshot stream holds a compressed message, which was not asked for at byte 0$/,
    hint: /^What answers there is not etcd, or its bytes changed on the way\./,
  });
  // Behind gRPC's prefix nothing is left of the message.
  const garbled = { answer: (chunk: Buffer) => Buffer.from(chunk).fill(0xff, 5) };
  await using status = await startGrpcProxy(url("plain"), (method) => (method === "Maintenance/Status" ? garbled : {}));
  expectFailure("ETCD_REQUEST_FAILED", await saved(status.url), { message: /^http:.*: an answer is not what etcd sends: .* at byte \d+$/, hint: /not etcd/ });
});

test("only learners answer; and without a quorum nobody can log in by password", async () => {
  const { behind, guarded } = clusters;
  const blank = await behind.addMember("learner");
  expectFailure("ETCD_LEARNER_ONLY", await saved(blank.clientUrl), { message: /^http:.*: only learners answer$/ });
  expectFailure("ETCD_LEARNER_ONLY", await saved(url("behind"), ["--member", blank.name]), { message: /^the member m1 \(http:.*\) is a learner$/ });
  const login = ["--user", "root", "--command-timeout", "2s"];
  const second = await guarded.addMember("learner");
  expectFailure("ETCD_LEARNER_ONLY", await saved(second.clientUrl, login, ROOT), {
    message: /^http:.*: the login of user root failed: .*not supported for learner$/,
  });
  await guarded.promote(second);
  await second.kill();
  expectFailure("ETCD_NO_QUORUM", await saved(url("guarded"), login, ROOT), { message: /^http:.*the login of user root/ });
});

function flip(chunk: Buffer, at: number): Buffer {
  const changed = Buffer.from(chunk);
  changed[at]! ^= 1;
  return changed;
}
