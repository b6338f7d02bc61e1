import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readTlsIdentity } from "../../src/cluster/tls-identity.ts";
import { type Answer, whoAnswers } from "../../src/cluster/who-answers.ts";
import { createAuthority } from "../support/certificates.ts";
import { startCluster } from "../support/etcd.ts";
import { MINORS_AT_HAND } from "../support/minors.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const NO_CERTIFICATE = readTlsIdentity({ insecureSkipVerify: true }, true);

function ask(url: string, tls = NO_CERTIFICATE, limitMs = 3_000): Promise<Answer> {
  return whoAnswers(url, { tls, limitMs, signal: new AbortController().signal });
}

test.each(MINORS_AT_HAND)("etcd %s: its URLs tell the cluster and the member; with authentication on, only the peer URL does", async (minor) => {
  await using cluster = await startCluster({ minor });
  const member = cluster.members[0]!;
  const memberId = (await cluster.memberId(member)).padStart(16, "0");
  const peer = await ask(member.peerUrl);
  expect(peer).toEqual({
    kind: "etcd",
    version: null,
    clusterId: expect.stringMatching(/^[0-9a-f]{16}$/),
    memberIds: [memberId],
    startedMemberIds: [memberId],
  });
  const version = expect.stringContaining(minor);
  expect(await ask(member.clientUrl)).toEqual({ ...peer, version, startedMemberIds: [] });
  await cluster.enableAuth("secret");
  expect(await ask(member.peerUrl)).toEqual(peer);
  expect(await ask(member.clientUrl)).toEqual({ kind: "etcd", version, clusterId: null, memberIds: [], startedMemberIds: [] });
});

test("an etcd that has lost its quorum tells as well", async () => {
  await using cluster = await startCluster({ size: 2 });
  await cluster.members[1]!.kill();
  for (const url of [cluster.members[0]!.peerUrl, cluster.members[0]!.clientUrl]) {
    expect(await ask(url)).toMatchObject({ kind: "etcd", clusterId: expect.stringMatching(/^[0-9a-f]{16}$/) });
  }
});

test("behind TLS, who is asked tells nothing without a client certificate, and all with one; plain text is no way in", async () => {
  await using directory = await temporaryDirectory("who");
  const authority = await createAuthority(directory.path);
  const [server, client] = [await authority.issue({ name: "server" }), await authority.issue({ name: "client" })];
  await using cluster = await startCluster({ tls: { caPath: authority.path, server, client, requireClientCertificate: true } });
  const { clientUrl } = cluster.members[0]!;
  expect(await ask(clientUrl)).toEqual({ kind: "unnamed", why: "it asks for a client certificate: give --cert and --key" });
  const strangers = await (await createAuthority(join(directory.path, "strangers"))).issue({ name: "client" });
  const stranger = readTlsIdentity({ certPath: strangers.cert, keyPath: strangers.key, insecureSkipVerify: true }, true);
  expect(await ask(clientUrl, stranger)).toEqual({ kind: "unnamed", why: "it refuses the client certificate of --cert" });
  const identity = readTlsIdentity({ certPath: client.cert, keyPath: client.key, insecureSkipVerify: true }, true);
  expect(await ask(clientUrl, identity)).toMatchObject({ kind: "etcd", clusterId: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect(await ask(clientUrl.replace("https:", "http:"))).toMatchObject({ kind: "unnamed" });
});

test("an etcd that stands still takes the connection and says nothing", async () => {
  await using cluster = await startCluster();
  cluster.members[0]!.pause();
  expect(await ask(cluster.members[0]!.peerUrl, NO_CERTIFICATE, 200)).toEqual({ kind: "unnamed", why: "no answer within 0.2 s" });
  cluster.members[0]!.resume();
});

test("what speaks HTTP as something else is no etcd, and what closes the connection does not say", async () => {
  await using web = await listening(createHttpServer((_, response) => response.writeHead(503).end("upstream connect error")));
  expect(await ask(web.url)).toEqual({ kind: "other", what: "HTTP status 503" });
  await using go = await listening(createHttpServer((_, response) => response.writeHead(400).end("Client sent an HTTP request to an HTTPS server.\n")));
  expect(await ask(go.url)).toEqual({ kind: "unnamed", why: "it speaks TLS, and the URL says http" });
  await using mute = await listening(createServer((socket) => socket.destroy()));
  expect(await ask(mute.url)).toMatchObject({ kind: "unnamed" });
  await using endless = await listening(createHttpServer((_, response) => response.writeHead(200).end(Buffer.alloc(3 * 1024 * 1024))));
  expect(await ask(endless.url)).toMatchObject({ kind: "other" });
});

test("a port where nothing listens is told from a host that cannot be reached, and from what is no URL of a host", async () => {
  let url: string;
  {
    await using gone = await listening(createServer());
    url = gone.url;
  }
  expect(await ask(url)).toEqual({ kind: "nobody" });
  expect(await ask("http://etcd-0.invalid:2380", NO_CERTIFICATE, 500)).toMatchObject({ kind: "unreachable" });
  expect(await ask("unix:///run/etcd.sock")).toMatchObject({ kind: "unreachable" });
});

async function listening(server: Server): Promise<AsyncDisposable & { readonly url: string }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}
