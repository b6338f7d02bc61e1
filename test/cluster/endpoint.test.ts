import { expect, test } from "vitest";
import { parseEndpoint } from "../../src/cluster/endpoint.ts";
import { EtcdsafeError } from "../../src/errors.ts";

test.each([
  ["http://10.0.0.1:2379", { host: "10.0.0.1", port: 2379, secure: false }],
  ["https://etcd.example.org:443", { host: "etcd.example.org", port: 443, secure: true }],
  ["HTTP://etcd:80/", { host: "etcd", port: 80, secure: false }],
  ["https://[fd00::1]:2379", { host: "fd00::1", port: 2379, secure: true }],
  ["etcd-0.etcd:2379", { host: "etcd-0.etcd", port: 2379, secure: false }],
])("endpoint %s: is understood", (text, expected) => {
  expect(parseEndpoint(text, {})).toEqual({ text, ...expected });
});

test("endpoint: without a scheme, certificates decide about TLS; with one, they do not", () => {
  for (const certificates of [{ cacertPath: "ca" }, { certPath: "cert" }, { insecureSkipVerify: true }]) {
    expect(parseEndpoint("etcd:2379", certificates).secure).toBe(true);
    expect(parseEndpoint("http://etcd:2379", certificates).secure).toBe(false);
  }
});

test.each(["", "etcd", "http://etcd", "http://:2379", "http://etcd:99999", "unix:///run/etcd.sock", "http://etcd:2379/health", "http://etcd:2379?x", "a b:1"])(
  "endpoint %j: is refused by name",
  (text) => {
    expect(() => parseEndpoint(text, {})).toThrow(EtcdsafeError);
    expect(() => parseEndpoint(text, {})).toThrow(`the endpoint ${text}`);
  },
);

test("endpoint: one with a password is refused without repeating it", () => {
  expect(() => parseEndpoint("http://root:secret@etcd:2379", {})).toThrow("--password-file");
  expect(() => parseEndpoint("http://root:secret@etcd:2379", {})).not.toThrow("secret");
  expect(() => parseEndpoint("http://root:secret@etcd", {})).not.toThrow("secret");
});
