import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readMembersFile } from "../../src/config/members-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function readText(text: string) {
  await using directory = await temporaryDirectory("members");
  const path = join(directory.path, "members.yaml");
  await writeFile(path, text);
  const read = readMembersFile(path).catch((error: Error & { code?: string }) => ({ code: error.code, message: error.message.replaceAll(path, "FILE") }));
  return { read: await read, directory: directory.path };
}

test("members file: names, peer URLs and directories, the latter from where the file is", async () => {
  const { read, directory } = await readText(
    "token: t1\nmembers:\n  - name: 1\n    peerUrls: [http://a:2380, http://b:2380]\n    dataDir: /var/lib/etcd\n  - { name: m2, peerUrls: [http://c:2380], dataDir: m2, walDir: wal/m2 }\n",
  );
  expect(read).toEqual({
    token: "t1",
    members: [
      { name: "1", peerUrls: ["http://a:2380", "http://b:2380"], dataDir: "/var/lib/etcd" },
      { name: "m2", peerUrls: ["http://c:2380"], dataDir: join(directory, "m2"), walDir: join(directory, "wal/m2") },
    ],
  });
});

test("members file: client URLs may be named; what is none is refused", async () => {
  const file = (url: string) => `members:\n  - { name: m1, peerUrls: [http://a:2380], clientUrls: ["${url}"], dataDir: /d }\n`;
  expect((await readText(file("https://a.example:2379"))).read).toMatchObject({ members: [{ name: "m1", clientUrls: ["https://a.example:2379"] }] });
  for (const url of ["a:2379", "https://user:secret@a:2379", "https://a:2379/path", "http://[::1", "http://a:99999999", "http://a b:1"]) {
    const { read } = await readText(file(url));
    expect(read).toMatchObject({ message: "FILE:2: members[0].clientUrls[0] is not a URL such as https://10.0.0.1:2379" });
  }
});

test("members file: names that --initial-cluster cannot carry are refused where they stand", async () => {
  const file = (name: string) => `members:\n  - { peerUrls: [http://a:2380], dataDir: /d, name: ${JSON.stringify(name)} }\n`;
  const cannot = (separator: string) => `holds "${separator}", which --initial-cluster cannot carry in a name`;
  for (const [name, why] of [
    ["a,b", cannot(",")],
    ["a=b", cannot("=")],
    [" ", "is blank"],
    ["a\nb", "holds a control character"],
    ["a\u007f", "holds a control character"],
  ] as const) {
    expect((await readText(file(name))).read).toEqual({ code: "MEMBERS_INVALID", message: `FILE:2: members[0].name ${why}` });
  }
  expect((await readText(file("é 日本 😀"))).read).toMatchObject({ members: [{ name: "é 日本 😀" }] });
});

test("members file: more members than any cluster has are refused before anything is looked at for them", async () => {
  const file = (count: number) =>
    `members:\n${Array.from({ length: count }, (_, index) => `  - { name: m${index}, peerUrls: ["http://m${index}:2380"], dataDir: /d${index} }\n`).join("")}`;
  expect((await readText(file(100))).read).toMatchObject({ members: { length: 100 } });
  expect((await readText(file(101))).read).toEqual({ code: "MEMBERS_INVALID", message: "FILE:1: members names more than 100 members" });
});

test("members file: every fault with its line", async () => {
  const { read } = await readText("tokn: x\nmembers:\n  - name: a\n    peerURLs: [x]\n    dataDir: d\n  - name: ''\n    peerUrls: x\n    dataDir:\n  - 4\n");
  expect(read).toEqual({
    code: "MEMBERS_INVALID",
    message: `the members file has 7 faults:
  FILE:1: tokn is unknown; did you mean token?
  FILE:3: members[0].peerUrls is missing
  FILE:4: members[0].peerURLs is unknown; did you mean peerUrls?
  FILE:6: members[1].name is empty
  FILE:7: members[1].peerUrls takes a list of URLs
  FILE:8: members[1].dataDir has no value
  FILE:9: members[2] takes keys with values`,
  });
});

const TILDE = "begins with a shell's ~, which is not expanded here: write the whole path";

test.each([
  ["", "FILE:1: the file holds nothing"],
  ["# ours\n- { name: m1, peerUrls: [http://a:2380], dataDir: /d }", "FILE:2: the file is a list: put it below `members:`"],
  ["text", "FILE:1: the file takes keys with values"],
  ["token: x", "FILE:1: members is missing"],
  ["members: []", "FILE:1: members is an empty list"],
  ["members: [", "FILE:1: Flow sequence in block collection must be sufficiently indented and end with a ]"],
  ["members:\n  - name: a\n    peerUrls: []\n    dataDir: x", "FILE:3: members[0].peerUrls is an empty list"],
  ["members:\n  - name: a\n    peerUrls: [x]\n    dataDir: ~/x", `FILE:4: members[0].dataDir ${TILDE}`],
  ["members:\n  - name: a\n    peerUrls: [x]\n    dataDir: x\n    walDir: ~etcd/wal", `FILE:5: members[0].walDir ${TILDE}`],
])("members file: %j is refused", async (text, message) => {
  expect((await readText(text)).read).toEqual({ code: "MEMBERS_INVALID", message });
});

test("members file: one that is not there is refused", async () => {
  await expect(readMembersFile("/absent/members.yaml")).rejects.toMatchObject({
    code: "MEMBERS_INVALID",
    message: "/absent/members.yaml: cannot be read: there is no such file",
  });
});
