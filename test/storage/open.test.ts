import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { openStorage } from "../../src/storage/open.ts";
import { isSamePlace, placeOf } from "../../src/storage/place.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const open = (location: string) => openStorage(location, DEFAULT_SETTINGS, testRuntime());

test.each([
  ["/var/backups/etcd", "/var/backups/etcd"],
  ["backups", `${process.cwd()}/backups`],
  ["file:///var/backups/with%20space", "/var/backups/with space"],
])("open: %s is the directory %s", async (location, root) => {
  expect((await open(location)).location).toBe(root);
});

test.each([
  ["s3://bucket", { kind: "s3", bucket: "bucket", prefix: "" }],
  ["s3://bucket/", { kind: "s3", bucket: "bucket", prefix: "" }],
  ["S3://bucket/a/b/", { kind: "s3", bucket: "bucket", prefix: "a/b" }],
  ["gs://bucket/a", { kind: "gs", bucket: "bucket", prefix: "a" }],
  ["azblob://account/container", { kind: "azblob", account: "account", container: "container", prefix: "" }],
  ["azblob://account/container/a/b", { kind: "azblob", account: "account", container: "container", prefix: "a/b" }],
])("open: %s is %j", (location, place) => {
  expect(placeOf(location)).toEqual(place);
});

test.each([
  "",
  "ftp://host/x",
  "file://host/x",
  "file:///x?x=1",
  "file:///x#y",
  "s3://",
  "s3:///prefix",
  "s3://bucket/a//b",
  "s3://bucket/a?region=x",
  "gs://",
  "azblob://account",
  "azblob:///container",
  "s3:/bucket/etcd",
  "s3:bucket/etcd",
  "file:backups",
  "bucket:etcd",
  "s3://bucket/../etcd",
  "gs://bucket/./etcd",
  "azblob://account/container/..",
  "s3://b/x",
  "s3://a bucket/x",
  "gs://UPPER/x",
  "azblob://a/container",
  "azblob://account/b",
  "azblob://account/two--hyphens",
])("open: refuses %j", async (location) => {
  await expect(open(location)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});

test("open: a path that begins as a URL does is taken for one with ./ before it, and one with a colon further on as it is", async () => {
  for (const location of ["./s3:/x", "backups/2026-11-21T10:00"]) expect((await open(location)).location).toBe(resolve(location));
});

test.each(["s3://key:hunter2@bucket/prefix", "s3://hunter2@bucket", "gs://u:hunter2@b/p", "azblob://u:hunter2@account/container"])(
  "open: %s holds credentials, which are refused and not repeated",
  async (location) => {
    const error = await open(location).catch((error: Error) => error);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("must not hold credentials") });
    expect((error as Error).message).not.toContain("hunter2");
  },
);

test.each(["sftp", "s3", "gs", "azblob"])("open: refuses credentials in a %s URL, and repeats none of them", async (scheme) => {
  const error = await open(`${scheme}://user:hunter2@host/path?sig=hunter2#hunter2`).catch((error: Error) => error);
  expect(error).toMatchObject({ code: "CONFIG_INVALID" });
  expect((error as Error).message).toContain(`${scheme}://host/path`);
  expect((error as Error).message).not.toContain("hunter2");
});

test("open: the past of a directory, which keeps no versions, is a mistake of the caller's", async () => {
  const error = await openStorage("/backups", { ...DEFAULT_SETTINGS, time: new Date() }, testRuntime()).catch((error: Error) => error);
  expect(error).toMatchObject({ code: "USAGE", message: expect.stringContaining("keeps no versions") });
});

test("open: a limit of the bandwidth holds for a directory too", async () => {
  await using directory = await temporaryDirectory("open");
  const slept: number[] = [];
  const runtime = { ...testRuntime(), monotonicMs: () => 0, sleep: async (delayMs: number) => void slept.push(delayMs) };
  const limits = { uploadBytesPerSecond: 10_000, downloadBytesPerSecond: undefined };
  const storage = await openStorage(directory.path, { ...DEFAULT_SETTINGS, limits }, runtime);
  await storage.put("k", streamOf(Buffer.alloc(20_000)), { signal: new AbortController().signal });
  expect(slept.length).toBeGreaterThan(3);
});

test.each([
  ["D", "D/"],
  ["D", "./D"],
  [join(process.cwd(), "D"), "D"],
  ["/a/D", "file:///a/D"],
  ["/a/D/", "file:///a/D/"],
  ["/a/b c", "file:///a/b%20c"],
  ["s3://bucket", "s3://bucket/"],
  ["s3://bucket/etcd", "S3://bucket/etcd/"],
  ["gs://bucket/etcd/", "gs://bucket/etcd"],
  ["azblob://account/container", "azblob://account/container/"],
  ["no:place", "no:place"],
])("open: %s and %s are one place", (a, b) => {
  expect(isSamePlace(a, b)).toBe(true);
  expect(isSamePlace(b, a)).toBe(true);
});

test.each([
  ["D", "E"],
  ["D", "D/D"],
  ["s3://bucket/etcd", "gs://bucket/etcd"],
  ["s3://bucket/etcd", "s3://bucket/ETCD"],
  ["s3://bucket", "s3://bucket/etcd"],
  ["no:place", "no:place/"],
  ["D", "no:place"],
])("open: %s and %s are two places", (a, b) => {
  expect(isSamePlace(a, b)).toBe(false);
});
