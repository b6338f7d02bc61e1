// What a member's clock says, asked of real etcds and of servers whose clock is wrong.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { memberClockOffset } from "../../src/cluster/member-clock.ts";
import { createAuthority } from "../support/certificates.ts";
import { startCluster } from "../support/etcd.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const options = { signal: new AbortController().signal, runtime: testRuntime() }; // Each test has its time-out.
const connection = (endpoint: string) => ({ endpoints: [endpoint], dialTimeoutMs: 5000, commandTimeoutMs: 5000 });
/** Of the header, which counts seconds, and of a busy host. */
const OFF_MAX_MS = 3000;

test("a member's clock: that of a real etcd on this host is ours, and of one that is down it is not known", async () => {
  await using plain = await startCluster();
  const [endpoint] = plain.endpoints as [string];
  expect(Math.abs((await memberClockOffset(endpoint, connection(endpoint), options))!)).toBeLessThan(OFF_MAX_MS);
  await plain.members[0]!.stop();
  expect(await memberClockOffset(endpoint, connection(endpoint), options)).toBeNull();
});

test("a member's clock: behind TLS that asks for a client certificate", async () => {
  await using directory = await temporaryDirectory("clock");
  const authority = await createAuthority(directory.path);
  const [server, client] = [await authority.issue({ name: "server" }), await authority.issue({ name: "client" })];
  await using cluster = await startCluster({ tls: { caPath: authority.path, server, client, requireClientCertificate: true } });
  const [endpoint] = cluster.endpoints as [string];
  const identity = { cacertPath: authority.path, certPath: client.cert, keyPath: client.key };
  expect(Math.abs((await memberClockOffset(endpoint, { ...connection(endpoint), ...identity }, options))!)).toBeLessThan(OFF_MAX_MS);
  expect(await memberClockOffset(endpoint, { ...connection(endpoint), cacertPath: authority.path }, options)).toBeNull();
});

test.each([365 * 86_400_000, -90_000])("a member's clock: one that is %i ms ahead", async (aheadMs) => {
  const server = createServer((_, response) => {
    response.sendDate = false;
    response.setHeader("date", new Date(Date.now() + aheadMs).toUTCString()).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const offsetMs = (await memberClockOffset(endpoint, connection(endpoint), options))!;
    expect(Math.abs(offsetMs - aheadMs)).toBeLessThan(OFF_MAX_MS);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a member's clock: of who answers without a date it is not known; who gives up is not kept waiting", async () => {
  const server = createServer((_, response) => {
    response.sendDate = false;
    response.end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await memberClockOffset(endpoint, connection(endpoint), options)).toBeNull();
  server.close();
  const gone = new AbortController();
  gone.abort(new Error("given up"));
  await expect(memberClockOffset(endpoint, connection(endpoint), { ...options, signal: gone.signal })).rejects.toThrow("given up");
});
