import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { namespaceUid } from "../../src/cluster/kube-system.ts";
import { rowsOf } from "../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { ProtoReader } from "../../src/proto/wire.ts";

const SNAPSHOT = zstdDecompressSync(readFileSync(new URL("../golden/kubernetes-1.36/snapshot.db.zst", import.meta.url)));

test("kube-system: the UID that a real kube-apiserver stored is found, and only in a namespace", () => {
  const values = storedValues();
  const uid = namespaceUid(values.get("/registry/namespaces/kube-system")!);
  expect(uid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(namespaceUid(values.get("/registry/namespaces/default")!)).not.toBe(uid);
});

test("kube-system: what is no namespace in clear gives none: JSON, encrypted, cut, empty", () => {
  const namespace = storedValues().get("/registry/namespaces/kube-system")!;
  for (const value of [
    Buffer.from("{}"),
    Buffer.from("k8s:enc:aescbc:v1:key1:…"),
    namespace.subarray(0, 30),
    Buffer.from("k8s\0\xff\xff\xff", "latin1"),
    Buffer.alloc(0),
  ]) {
    expect(namespaceUid(value)).toBeNull();
  }
});

/** The newest value of each key. */
function storedValues(): Map<string, Uint8Array> {
  const values = new Map<string, Uint8Array>();
  for (const { value } of rowsOf(openDatabase(bufferPageSource(SNAPSHOT)), "key")) {
    const reader = new ProtoReader(value);
    let key = "";
    while (reader.next()) {
      if (reader.field === 1) key = reader.string();
      else if (reader.field === 5) values.set(key, reader.bytes());
      else reader.skip();
    }
  }
  return values;
}
