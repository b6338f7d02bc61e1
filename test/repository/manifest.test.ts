import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { encodeManifest, type Manifest, readManifest, snapshotObject } from "../../src/repository/manifest.ts";
import { manifestKey } from "../../src/repository/names.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const manifest = sampleManifest();

async function reading(bytes: Uint8Array, id = manifest.id): Promise<Manifest> {
  const storage = new MemoryStorage();
  await storage.put(manifestKey("default", id), streamOf(bytes), { signal });
  return readManifest(storage, "default", id, { signal });
}

test("manifest: comes back as it was written, readable by people", async () => {
  const bytes = encodeManifest(manifest);
  expect(await reading(bytes)).toEqual(manifest);
  expect(Buffer.from(bytes).toString()).toMatch(/^\{\n {2}"format": 1,\n/);
  expect(snapshotObject(manifest).name).toBe("snapshot.db.zst");
});

test.each<[string, Partial<Manifest>]>([
  ["of another cluster name", { cluster: "other" }],
  ["of another backup", { id: sampleManifest({ revision: "9" }).id }],
  ["whose time is not the one in its id", { createdAt: "2026-11-21T09:30:01.000Z" }],
  ["whose revision is below the one in its id", { revision: "12344" }],
  ["without a snapshot", { objects: [{ ...manifest.objects[0]!, role: "bundle" }] }],
  ["with two snapshots", { objects: [manifest.objects[0]!, { ...manifest.objects[0]!, name: "second.db.zst" }] }],
  ["that names an object twice", { objects: [manifest.objects[0]!, { ...manifest.objects[0]!, role: "bundle" }] }],
  ["whose sizes contradict each other", { snapshot: { ...manifest.snapshot, dataSizeBytes: 8192 } }],
  ["whose object lies elsewhere", { objects: [{ ...manifest.objects[0]!, name: "../other/snapshot.db.zst" }] }],
  ["with a revision that is a number", { revision: 12345 as unknown as string }],
  ["with a size that is negative", { snapshot: { ...manifest.snapshot, pageSizeBytes: -1 } }],
])("manifest: one %s is not believed", async (_, changes) => {
  await expect(reading(Buffer.from(JSON.stringify({ ...manifest, ...changes })))).rejects.toMatchObject({
    code: "MANIFEST_INVALID",
    message: expect.stringContaining(manifest.id),
  });
});

test.each([
  ["nothing", ""],
  ["half a manifest", JSON.stringify(manifest).slice(0, 500)],
  ["something else", "<html>"],
  ["null", "null"],
  ["a list", "[]"],
])("manifest: %s in its place is not believed", async (_, text) => {
  await expect(reading(Buffer.from(text))).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
});

test("manifest: bytes that are no text, or too many of them, are not believed", async () => {
  await expect(reading(Buffer.from([0x7b, 0xff, 0x7d]))).rejects.toMatchObject({ code: "MANIFEST_INVALID", message: expect.stringContaining("UTF-8") });
  await expect(reading(Buffer.alloc(17 * 1024 * 1024, " "))).rejects.toMatchObject({ code: "MANIFEST_INVALID", message: expect.stringContaining("longer") });
});

test("manifest: one that contradicts itself is not even written", () => {
  expect(() => encodeManifest({ ...manifest, revision: "1" })).toThrow(expect.objectContaining({ code: "MANIFEST_INVALID" }));
});
