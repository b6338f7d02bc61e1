import { expect, test } from "vitest";
import { KeyValueCursor } from "../../../src/etcd-files/mvcc/key-value.ts";
import { encodeKeyValue } from "../../../src/etcd-files/mvcc/key-value-message.ts";
import { KubernetesValues } from "../../../src/etcd-files/mvcc/kubernetes-values.ts";

function factsOf(values: readonly string[]) {
  const found = new KubernetesValues();
  const cursor = new KeyValueCursor();
  for (const value of values) {
    const bytes = encodeKeyValue({
      key: Buffer.from("/registry/a"),
      value: Buffer.from(value),
      createRevision: 2n,
      modRevision: 2n,
      version: 1n,
      lease: 0n,
    });
    // As in a page: other bytes before and behind.
    const page = Buffer.concat([Buffer.from("k8s\0"), bytes, Buffer.from("k8s\0")]);
    expect(cursor.read(page, 4, 4 + bytes.length)).toBe(true);
    found.add(page, cursor);
  }
  return found.facts();
}

test("kubernetes values: objects in protobuf and JSON, and what is encrypted, are told by the values alone", () => {
  expect(factsOf(["k8s\0\n", '{"kind":"A","apiVersion":"b/v1"}', "k8s:enc:aescbc:v1:key1:x", "k8s:enc:kms:v2:name:x", "k8s:enc:kms:v2:name:y"])).toEqual({
    objects: 2,
    encrypted: 3,
    providers: ["aescbc", "kms"],
  });
});

test("kubernetes values: other keyspaces have none", () => {
  const values = ["", "k", "k8", "k8s", "k8s:", "k8sx", "k8s:enc:", "k8s:enc:AES", "k8s:other:x", "{", "{}", '{"kind":"A"}', '{"apiVersion":"v1"}', "xk8s\0"];
  expect(factsOf(values)).toEqual({ objects: 0, encrypted: 0, providers: [] });
});

test("kubernetes values: only so much JSON is looked into, and any number of encrypted values is counted", () => {
  expect(factsOf(Array.from({ length: 100 }, () => '{"kind":"A","apiVersion":"b"}')).objects).toBe(64);
  const many = Array.from({ length: 20 }, (_, index) => `k8s:enc:p${index}:v1:`);
  expect(factsOf(many)).toMatchObject({ encrypted: 20 });
  expect(factsOf(many).providers).toHaveLength(8);
});

test("kubernetes values: a value that begins as the last encrypted one did, and ends there, is no such value", () => {
  expect(factsOf(["k8s:enc:kms:v2:a:x", "k8s:enc:kms", "k8s:enc:km:x", "k8s:enc:kms:v1:"])).toEqual({ objects: 0, encrypted: 3, providers: ["km", "kms"] });
});
