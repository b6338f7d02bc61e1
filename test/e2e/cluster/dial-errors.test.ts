import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openMember } from "../../../src/cluster/channel.ts";
import type { ConnectionOptions } from "../../../src/cluster/connection-options.ts";
import { openSnapshot } from "../../../src/cluster/snapshot-stream.ts";
import { status } from "../../../src/cluster/status.ts";
import type { EtcdsafeError } from "../../../src/errors.ts";
import { type CertificateAuthority, type CertificateFiles, createAuthority } from "../../support/certificates.ts";
import { type EtcdCluster, startCluster } from "../../support/etcd.ts";
import { claimPorts, releasePorts } from "../../support/ports.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { clientOf, connectionTo, soon } from "./members.ts";

const directory = await temporaryDirectory("dial-errors");
let authority: CertificateAuthority;
let stranger: CertificateAuthority;
let client: CertificateFiles;
let foreign: CertificateFiles;
/** Plain, TLS, TLS with client certificates demanded, with an expired certificate, with a certificate for another host. */
let clusters: Record<"plain" | "tls" | "mutual" | "expired" | "elsewhere", EtcdCluster>;

beforeAll(async () => {
  authority = await createAuthority(directory.path, "ca");
  stranger = await createAuthority(directory.path, "stranger");
  client = await authority.issue({ name: "client" });
  foreign = await stranger.issue({ name: "foreign" });
  const server = await authority.issue({ name: "server" });
  const expired = await authority.issue({ name: "expired", validDays: { from: -3, to: -1 } });
  const elsewhere = await authority.issue({ name: "elsewhere", hosts: ["etcd.example.org"] });
  // etcd demands client certificates as soon as it knows an authority for them.
  const tls = (files: CertificateFiles) =>
    ({ waitFor: "serving", tls: { caPath: authority.path, server: files }, extraArgs: ["--trusted-ca-file", ""] }) as const;
  const [a, b, c, d, e] = await Promise.all([
    startCluster({ minor: "3.5" }),
    startCluster(tls(server)),
    startCluster({ waitFor: "serving", tls: { caPath: authority.path, server, client, requireClientCertificate: true } }),
    startCluster(tls(expired)),
    startCluster(tls(elsewhere)),
  ]);
  clusters = { plain: a, tls: b, mutual: c, expired: d, elsewhere: e };
});

afterAll(async () => {
  for (const cluster of Object.values(clusters ?? {})) await cluster.stop();
  await directory.remove();
});

async function ask(endpoint: string, options: Partial<ConnectionOptions> = {}): Promise<string> {
  await using member = openMember(endpoint, connectionTo([endpoint], options));
  try {
    return (await status(member, soon())).version;
  } catch (error) {
    return `${(error as EtcdsafeError).code} ${(error as Error).message}`;
  }
}

const url = (kind: keyof typeof clusters) => clusters[kind].endpoints[0] as string;
const other = (endpoint: string) => (endpoint.startsWith("https") ? endpoint.replace("https", "http") : endpoint.replace("http", "https"));

test("connecting: plain, TLS, and TLS with a client certificate", async () => {
  expect(await ask(url("plain"))).toMatch(/^3\.5\./);
  expect(await ask(url("plain").replace("http://", ""))).toMatch(/^3\.5\./);
  expect(await ask(url("tls"), { cacertPath: authority.path })).toMatch(/^3\.7\./);
  expect(await ask(url("tls").replace("https://", ""), { cacertPath: authority.path })).toMatch(/^3\.7\./);
  expect(await ask(url("tls"), { insecureSkipVerify: true })).toMatch(/^3\.7\./);
  expect(await ask(url("elsewhere"), { cacertPath: authority.path, serverName: "etcd.example.org" })).toMatch(/^3\.7\./);
  expect(await ask(url("mutual"), { cacertPath: authority.path, certPath: client.cert, keyPath: client.key })).toMatch(/^3\.7\./);
});

test("connecting: a snapshot arrives whole over TLS", async () => {
  await using member = clientOf(clusters.mutual.members[0], { cacertPath: authority.path, certPath: client.cert, keyPath: client.key });
  await using stream = await openSnapshot(member, { ...soon(), stallLimitMs: 5000 });
  let sizeBytes = 0;
  for await (const batch of stream) for (const slice of batch) sizeBytes += slice.length;
  expect(sizeBytes).toBe(stream.totalSizeBytes);
});

test("connecting: an untrusted, expired or misnamed server certificate is ETCD_TLS_FAILED", async () => {
  expect(await ask(url("tls"), { cacertPath: stranger.path })).toMatch(/^ETCD_TLS_FAILED https:.* etcd's certificate cannot be trusted: unable to verify/);
  expect(await ask(url("tls"))).toMatch(/^ETCD_TLS_FAILED .* cannot be trusted/);
  expect(await ask(url("expired"), { cacertPath: authority.path })).toMatch(/^ETCD_TLS_FAILED .* certificate has expired/);
  expect(await ask(url("elsewhere"), { cacertPath: authority.path })).toMatch(/^ETCD_TLS_FAILED .*127\.0\.0\.1.* is not in the cert's list/);
});

test("connecting: TLS to a plain endpoint and plain text to a TLS endpoint are told apart from other faults", async () => {
  expect(await ask(other(url("plain")))).toMatch(/^ETCD_TLS_FAILED https:.* etcd speaks plain HTTP here$/);
  expect(await ask(other(url("tls")))).toMatch(/^ETCD_TLS_FAILED http:.* etcd speaks TLS here$/);
  expect(await ask(other(url("mutual")))).toMatch(/^ETCD_TLS_FAILED http:.* etcd speaks TLS here$/);
});

test("connecting: a missing or foreign client certificate is ETCD_CLIENT_CERT_REQUIRED", async () => {
  expect(await ask(url("mutual"), { cacertPath: authority.path })).toMatch(
    /^ETCD_CLIENT_CERT_REQUIRED .* wants a client certificate, and none was given: .*certificate required/,
  );
  const offered = { cacertPath: authority.path, certPath: foreign.cert, keyPath: foreign.key };
  expect(await ask(url("mutual"), offered)).toMatch(/^ETCD_CLIENT_CERT_REQUIRED .* refuses the client certificate: /);
});

test("connecting: nothing listens, nothing answers, no such host, not etcd: ETCD_UNREACHABLE", async () => {
  const [port] = await claimPorts(1);
  expect(await ask(`http://127.0.0.1:${port}`)).toMatch(/^ETCD_UNREACHABLE http:\/\/127\.0\.0\.1:\d+: cannot connect: connect ECONNREFUSED/);
  expect(await ask(`http://localhost:${port}`)).toMatch(/^ETCD_UNREACHABLE http:\/\/localhost:\d+: cannot connect: connect ECONNREFUSED/);
  expect(await ask(`https://127.0.0.1:${port}`)).toMatch(/^ETCD_UNREACHABLE .* ECONNREFUSED/);
  expect(await ask("http://no-such-host.invalid:2379")).toMatch(/^ETCD_UNREACHABLE .* (ENOTFOUND|EAI_AGAIN)/);
  await releasePorts([port as number]);
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port: silentPort } = silent.address() as { port: number };
  expect(await ask(`http://127.0.0.1:${silentPort}`, { dialTimeoutMs: 200 })).toMatch(/^ETCD_UNREACHABLE .* no answer within 200 ms/);
  expect(await ask(`https://127.0.0.1:${silentPort}`, { dialTimeoutMs: 200 })).toMatch(/^ETCD_UNREACHABLE .* no answer within 200 ms/);
  silent.close();
  const metrics = clusters.plain.members[0]?.metricsUrl as string;
  expect(await ask(metrics)).toMatch(/^ETCD_UNREACHABLE .* does not speak etcd's protocol/);
});

test("connecting: a paused member is ETCD_UNREACHABLE within the limit, connected or not", async () => {
  const [member] = clusters.plain.members;
  await using connected = clientOf(member, { dialTimeoutMs: 300, commandTimeoutMs: 300 });
  await status(connected, soon());
  member?.pause();
  try {
    await expect(status(connected, soon())).rejects.toMatchObject({
      code: "ETCD_UNREACHABLE",
      message: expect.stringMatching(/no answer to Maintenance\/Status within 300 ms/),
    });
    expect(await ask(url("plain"), { dialTimeoutMs: 300 })).toMatch(/^ETCD_UNREACHABLE .* no answer within 300 ms/);
  } finally {
    member?.resume();
  }
  await expect(status(connected, soon())).resolves.toBeDefined();
});

test("connecting: a member that was restarted is connected to again", async () => {
  const [member] = clusters.plain.members;
  await using connected = clientOf(member);
  await status(connected, soon());
  for (const end of ["stop", "kill"] as const) {
    await member?.[end]();
    await member?.start("serving");
    await expect(status(connected, soon())).resolves.toBeDefined();
  }
});
