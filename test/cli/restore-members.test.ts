import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { restoreMembers } from "../../src/cli/restore-members.ts";
import { readConfig } from "../../src/config/config.ts";
import type { OptionName } from "../../src/config/options.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { signal } = new AbortController(); // Each test has its time-out.

async function membersOf(options: Partial<Record<OptionName, string>>) {
  const flags = new Map(Object.entries(options).map(([name, text]) => [name as OptionName, [text]]));
  const { config, faults } = await readConfig({ command: "restore", flags, environment: {} });
  expect(faults).toEqual([]);
  return restoreMembers(config, { signal });
}

async function withFile(text: string, options: Partial<Record<OptionName, string>>) {
  await using directory = await temporaryDirectory("members");
  const path = join(directory.path, "members.yaml");
  await writeFile(path, text);
  return await membersOf({ members: path, ...options }); // Awaited here, or the file would be gone first.
}

const TWO =
  "token: t\nmembers:\n  - { name: a, peerUrls: [http://a:2380], dataDir: /a }\n  - { name: b, peerUrls: [http://b:2380], dataDir: /b, walDir: /w }\n";

test("restore members: etcdutl's defaults", async () => {
  expect(await membersOf({})).toEqual({
    cluster: [{ name: "default", peerUrls: ["http://localhost:2380"] }],
    targets: [{ name: "default", dataDir: "default.etcd" }],
    token: undefined,
    perHost: false,
  });
});

test("restore members: from flags, one of several", async () => {
  const flags = { name: "b", "initial-cluster": "a=http://127.0.0.1:1,b=http://127.0.0.1:2", "initial-advertise-peer-urls": "http://127.0.0.1:2" } as const;
  expect(await membersOf({ ...flags, "data-dir": "/d", "wal-dir": "/w", "initial-cluster-token": "t" })).toEqual({
    cluster: [
      { name: "a", peerUrls: ["http://127.0.0.1:1"] },
      { name: "b", peerUrls: ["http://127.0.0.1:2"] },
    ],
    targets: [{ name: "b", dataDir: "/d", walDir: "/w" }],
    token: "t",
    perHost: false,
  });
  await expect(membersOf({ ...flags, "initial-advertise-peer-urls": "http://127.0.0.1:9" })).rejects.toMatchObject({ code: "MEMBERS_INVALID" });
  await expect(membersOf({ ...flags, name: "c" })).rejects.toMatchObject({ code: "MEMBERS_INVALID" });
});

test("restore members: where none is named, all are planned, each for a run on its own host", async () => {
  const file = await withFile(TWO, { plan: "true" });
  expect(file).toMatchObject({ perHost: true, targets: [{ name: "a", dataDir: "/a" }, { name: "b" }] });
  await expect(withFile(TWO, {})).rejects.toMatchObject({ code: "USAGE", hint: expect.stringContaining("--plan") });
  const flags = { "initial-cluster": "a=http://127.0.0.1:1,b=http://127.0.0.1:2", "data-dir": "/d", plan: "true" } as const;
  expect(await membersOf(flags)).toMatchObject({
    perHost: true,
    targets: [
      { name: "a", dataDir: "/d" },
      { name: "b", dataDir: "/d" },
    ],
  });
  await expect(membersOf({ ...flags, "initial-advertise-peer-urls": "http://127.0.0.1:1" })).rejects.toMatchObject({ code: "USAGE" });
});

test("restore members: from a file, all of them or the one that is named", async () => {
  const all = await withFile(TWO, { "all-members": "true" });
  expect(all.targets).toEqual([
    { name: "a", dataDir: "/a" },
    { name: "b", dataDir: "/b", walDir: "/w" },
  ]);
  expect(all.token).toBe("t");
  const one = await withFile(TWO, { name: "b", "initial-cluster-token": "u" });
  expect(one).toMatchObject({ targets: [{ name: "b", dataDir: "/b", walDir: "/w" }], token: "u" });
  expect(one.cluster.map(({ name }) => name)).toEqual(["a", "b"]);
  const only = await withFile("members: [{ name: x, peerUrls: [http://x:1], dataDir: /x }]", {});
  expect(only.targets).toEqual([{ name: "x", dataDir: "/x" }]);
});

test.each<[Partial<Record<OptionName, string>>, string]>([
  [{}, "USAGE"],
  [{ name: "c" }, "MEMBERS_INVALID"],
])("restore members: what leaves open which member of a file is meant is refused (%j)", async (options, code) => {
  await expect(withFile(TWO, options)).rejects.toMatchObject({ code });
});

test("restore members: all of no file is refused", async () => {
  await expect(membersOf({ "all-members": "true" })).rejects.toMatchObject({ code: "USAGE" });
});
