import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { openStorage } from "../../src/storage/open.ts";

const runtime = { randomBytes, sleep: async () => undefined };

test.each([
  ["/var/backups/etcd", "/var/backups/etcd"],
  ["backups", `${process.cwd()}/backups`],
  ["file:///var/backups/with%20space", "/var/backups/with space"],
])("open: %s is the directory %s", async (location, root) => {
  expect((await openStorage(location, runtime)).location).toBe(root);
});

test.each(["s3://bucket/prefix", "gs://bucket/prefix", "azblob://account/container/prefix"])(
  "open: says of %s that this version is for local repositories",
  async (location) => {
    await expect(openStorage(location, runtime)).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("local repositories only") });
  },
);

test.each(["", "ftp://host/x", "file://host/x", "file:///x?x=1", "file:///x#y"])("open: refuses %j", async (location) => {
  await expect(openStorage(location, runtime)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});

test("open: repeats no credentials in its message", async () => {
  const error = await openStorage("sftp://user:hunter2@host/path?sig=hunter2#hunter2", runtime).catch((error: Error) => error);
  expect((error as Error).message).toContain("sftp://host/path");
  expect((error as Error).message).not.toContain("hunter2");
});
