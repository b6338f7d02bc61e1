import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSecret, kindsOf } from "../../src/bundle/content.ts";
import { runs, SEED } from "../support/counts.ts";

const kinds = (text: string | Uint8Array, source = "/etc/x") => kindsOf(source, Buffer.from(text));
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = privateKey.export({ format: "pem", type: "sec1" }).toString();
const base64 = Buffer.from(pem).toString("base64");

test.each([
  ["SEC 1", pem],
  ["PKCS #8", privateKey.export({ format: "pem", type: "pkcs8" }).toString()],
  ["encrypted PKCS #8", privateKey.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" }).toString()],
  ["RSA, as sa.key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"],
  ["OpenSSH", "-----BEGIN OPENSSH PRIVATE KEY-----\n"],
  ["DER of SEC 1", privateKey.export({ format: "der", type: "sec1" })],
  ["DER of PKCS #8", privateKey.export({ format: "der", type: "pkcs8" })],
  ["encrypted DER", privateKey.export({ format: "der", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" })],
  ["PKCS #12", Buffer.from("308209d70201033082099d06", "hex")],
  ["a JSON of a service account", JSON.stringify({ private_key: pem })],
  ["base64 in YAML", `tls.key: ${base64}`],
])("bundle content: a private key is found, %s", (_what, content) => {
  const found = kinds(content);
  expect(found).toContain("private-key");
  expect(isSecret(found)).toBe(true);
});

test.each([
  ["kubeconfig with a key", `users:\n- name: a\n  user:\n    client-key-data: ${base64}\n`],
  ["kubeconfig with a token", "users:\n- user:\n    token: eyJhbGciOi\n"],
  ["kubeconfig as JSON", '{"users":[{"user":{"client-key-data":"LS0t"}}]}'],
  ["k3s token", `K10${"0f".repeat(32)}::server:0123456789abcdef`],
  ["bootstrap token", "abcdef.0123456789abcdef\n"],
  ["k3s config", "write-kubeconfig-mode: 644\ntoken: secret\n"],
  ["k3s unit's environment", "K3S_TOKEN='secret'\n"],
  ["a unit", '[Service]\nEnvironment="RKE2_TOKEN=secret"\n'],
  ["a unit's flags", "ExecStart=/usr/local/bin/k3s server --token secret\n"],
  ["S3 credentials", "etcd-s3-secret-key: abc\n"],
  ["a Secret", "apiVersion: v1\nkind: Secret\ndata: {}\n"],
])("bundle content: credentials are found, %s", (_what, content) => {
  expect(kinds(content)).toContain("credentials");
});

test("bundle content: a token that could be any word is known by its file's name", () => {
  for (const source of ["/var/lib/rancher/k3s/server/token", "/x/agent-token", "/x/server/cred/passwd", "/etc/rancher/node/password"])
    expect(kinds("hello", source), source).toEqual(["credentials"]);
  expect(kinds("\n", "/x/token")).toEqual([]);
});

test("bundle content: an encryption configuration is one, and secret if it holds a key", () => {
  const configuration = (provider: string) => `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- providers:\n${provider}`;
  expect(kinds(configuration("  - aescbc:\n      keys:\n      - name: k\n        secret: YWJj\n"))).toEqual(["encryption-configuration", "encryption-key"]);
  const remote = kinds(configuration("  - kms:\n      apiVersion: v2\n      endpoint: unix:///run/kms.sock\n"));
  expect(remote).toEqual(["encryption-configuration"]);
  expect(isSecret(remote)).toBe(false);
  const rancher = '{"kind":"EncryptionConfiguration","apiVersion":"v1","resources":[{"providers":[{"aescbc":{"keys":[{"name":"k","secret":"YWJj"}]}}]}]}';
  expect(kinds(rancher)).toEqual(["encryption-configuration", "encryption-key"]);
});

test.each([
  ["certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", ["certificate"]],
  ["public key", publicKey.export({ format: "pem", type: "spki" }).toString(), []],
  ["public key in DER", publicKey.export({ format: "der", type: "spki" }), []],
  [
    "static pod",
    "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command: [kube-apiserver, --token-auth-file=/a, --service-account-key-file=/b]\n",
    ["static-pod"],
  ],
  ["kubeconfig with paths", "users:\n- user:\n    client-key: /var/lib/kubelet/pki/x.pem\n    tokenFile: /a\n", []],
  ["etcd's environment", "ETCD_INITIAL_CLUSTER_TOKEN=etcd-cluster-1\nETCD_KEY_FILE=/a\n", []],
  ["empty values", 'token: ""\npassword:\nother: 1\n', []],
  ["nothing", "", []],
] as const)("bundle content: no secret is seen in a %s", (_what, content, expected) => {
  const found = kinds(content);
  expect(found).toEqual(expected);
  expect(isSecret(found)).toBe(false);
});

test("bundle content: whatever stands around a key, it is found, and no bytes make it fail", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (before, after) => {
      expect(kindsOf("/x", Buffer.concat([before, Buffer.from("-----BEGIN EC PRIVATE KEY-----"), after]))).toContain("private-key");
      kindsOf("/x", before);
      kindsOf("/x", Buffer.concat([Buffer.from([0x30]), after]));
    }),
    { seed: SEED, numRuns: runs(300, 10_000) },
  );
});
