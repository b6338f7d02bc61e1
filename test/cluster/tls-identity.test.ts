import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ConnectionOptions } from "../../src/cluster/connection-options.ts";
import { readTlsIdentity } from "../../src/cluster/tls-identity.ts";
import { createAuthority } from "../support/certificates.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("tls-identity");
const authority = await createAuthority(directory.path);
const [one, two] = [await authority.issue({ name: "one" }), await authority.issue({ name: "two" })];
const text = join(directory.path, "text");
await writeFile(text, "not a certificate\n");
afterAll(() => directory.remove());

function read(options: Partial<ConnectionOptions>) {
  return readTlsIdentity({ endpoints: [], dialTimeoutMs: 1, commandTimeoutMs: 1, ...options }, true);
}

test("certificates: what is given is taken, and says whether there is a client certificate", () => {
  expect(read({})).toMatchObject({ hasClientCertificate: false, options: { rejectUnauthorized: true } });
  expect(read({ cacertPath: authority.path, certPath: one.cert, keyPath: one.key })).toMatchObject({ hasClientCertificate: true });
  expect(read({ insecureSkipVerify: true }).options.rejectUnauthorized).toBe(false);
  expect(read({ serverName: "etcd.example.org" }).options.servername).toBe("etcd.example.org");
  expect(read({ serverName: "10.0.0.1" }).options).not.toHaveProperty("servername");
});

test.each([
  [{ certPath: one.cert }, "CONFIG_INVALID", "both --cert and --key"],
  [{ keyPath: one.key }, "CONFIG_INVALID", "both --cert and --key"],
  [{ cacertPath: `${text}-absent` }, "FILE_FAILED", "(--cacert): ENOENT"],
  [{ cacertPath: text }, "CONFIG_INVALID", `${text} (--cacert) is not a PEM file`],
  [{ certPath: one.cert, keyPath: two.key }, "CONFIG_INVALID", `the key ${two.key} (--key) does not belong to the certificate ${one.cert} (--cert)`],
  [{ certPath: one.key, keyPath: one.key }, "CONFIG_INVALID", one.key],
])("certificates: %o is refused", (options, code, message) => {
  expect(() => read(options)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
});
