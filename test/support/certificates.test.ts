import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, connect as tlsConnect } from "node:tls";
import { expect, test } from "vitest";
import { type CertificateFiles, createAuthority } from "./certificates.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

test("certificates: a server and a client of one authority trust each other", async () => {
  await using directory = await temporaryDirectory();
  const authority = await createAuthority(directory.path);
  const server = await authority.issue({ name: "server" });
  const client = await authority.issue({ name: "client", commonName: "root" });
  expect(await handshake(server, authority.path, { caPath: authority.path, client })).toBe("root");
});

test("certificates: expired, not yet valid, of another authority and for another host are refused for what they are", async () => {
  await using directory = await temporaryDirectory();
  const authority = await createAuthority(directory.path);
  const other = await createAuthority(directory.path, "other");
  const refusal = async (server: CertificateFiles, caPath = authority.path) => handshake(server, authority.path, { caPath }).catch((error) => error.code);
  expect(await refusal(await authority.issue({ name: "expired", validDays: { from: -3, to: -1 } }))).toBe("CERT_HAS_EXPIRED");
  expect(await refusal(await authority.issue({ name: "early", validDays: { from: 1, to: 3 } }))).toBe("CERT_NOT_YET_VALID");
  expect(await refusal(await authority.issue({ name: "host", hosts: ["10.0.0.1"] }))).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  expect(await refusal(await authority.issue({ name: "server" }), other.path)).toBe("SELF_SIGNED_CERT_IN_CHAIN");
});

test("certificates: the authority is one, and its certificates name it", async () => {
  await using directory = await temporaryDirectory();
  const authority = await createAuthority(directory.path, "test authority");
  const ca = new X509Certificate(await readFile(authority.path));
  const leaf = new X509Certificate(await readFile((await authority.issue({ name: "leaf" })).cert));
  expect([ca.ca, leaf.ca, leaf.checkIssued(ca), leaf.verify(ca.publicKey)]).toEqual([true, false, true, true]);
});

/** Common name of the client's certificate, as the server sees it; "" without one. */
async function handshake(server: CertificateFiles, clientCaPath: string, connection: { caPath: string; client?: CertificateFiles }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const listener = createServer(
    { cert: await readFile(server.cert), key: await readFile(server.key), ca: await readFile(clientCaPath), requestCert: true, rejectUnauthorized: false },
    (socket) => {
      const peer = socket.getPeerCertificate();
      resolve(socket.authorized ? String(peer.subject.CN) : "");
    },
  );
  listener.on("tlsClientError", () => undefined);
  await new Promise<void>((listening) => listener.listen(0, "127.0.0.1", listening));
  const address = listener.address();
  const { client, caPath } = connection;
  const identity = client === undefined ? {} : { cert: await readFile(client.cert), key: await readFile(client.key) };
  const socket = tlsConnect({ host: "127.0.0.1", port: typeof address === "object" ? (address?.port ?? 0) : 0, ca: await readFile(caPath), ...identity });
  socket.on("error", reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
    listener.close();
  }
}
