import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConfigFile } from "../../src/config/config-file.ts";
import { faultText } from "../../src/config/origin.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function readText(text: string) {
  await using directory = await temporaryDirectory("config-file");
  const path = join(directory.path, "etcdsafe.yaml");
  await writeFile(path, text);
  const { settings, faults } = await readConfigFile(path);
  return { settings, faults: faults.map((fault) => faultText(fault).replace(path, "FILE")), directory: directory.path };
}

test("configuration file: values as they are written, whatever YAML would take them for", async () => {
  const { settings, faults } = await readText(
    '# our cluster\nmember: 12e4\ncluster: 007\nuser: null-user\nname: "null"\nendpoints:\n  - http://a:2379\n  - 2379\nno-spool: true\n',
  );
  expect(faults).toEqual([]);
  expect(Object.fromEntries([...settings].map(([name, { value }]) => [name, value]))).toEqual({
    member: "12e4",
    cluster: "007",
    user: "null-user",
    name: "null",
    endpoints: ["http://a:2379", "2379"],
    "no-spool": true,
  });
  expect(settings.get("endpoints")?.origin).toMatchObject({ kind: "file", line: 6 });
});

test("configuration file: relative paths start from its directory", async () => {
  const { settings, directory } = await readText("repository: backups\ncacert: ../ca.pem");
  expect(settings.get("repository")?.value).toBe(join(directory, "backups"));
  expect(settings.get("cacert")?.value).toBe(join(directory, "../ca.pem"));
});

test("configuration file: every fault, with its line, in one go; what is right is still read", async () => {
  const { settings, faults } = await readText(
    "cluster: prod\nrepositry: /x\nStall_Limit: 5s\nstall-limit: 7\nlevel: [hash]\nmember:\n  a: b\nendpoints: {}\nkey:\nzzz: 1\npassword: hidden\nuser: root:hidden\nconfig: other.yaml\n__proto__: 3\n",
  );
  expect(faults).toEqual([
    "FILE:2: repositry is not the name of an option; did you mean repository?",
    "FILE:3: Stall_Limit is not the name of an option; did you mean stall-limit?",
    'FILE:4: stall-limit "7" is not a duration such as 30s, 5m or 1h30m',
    "FILE:5: level takes one value, not a list",
    "FILE:6: member takes one value, not keys of its own",
    "FILE:8: endpoints takes one value or a list of them",
    "FILE:9: key has no value",
    "FILE:10: zzz is not the name of an option",
    expect.stringMatching(/^FILE:11: password is a secret/),
    expect.stringMatching(/^FILE:12: user looks like NAME:PASSWORD/),
    "FILE:13: config is not the name of an option",
    "FILE:14: __proto__ is not the name of an option",
  ]);
  expect(faults.join()).not.toContain("hidden");
  expect([...settings.keys()]).toEqual(["cluster"]);
});

test.each([
  ["a: [", "FILE:1: Flow sequence in block collection must be sufficiently indented and end with a ]"],
  ["cluster: a\n\ncluster: b", "FILE:3: cluster is there a second time"],
  ["- a", "FILE:1: holds something else than keys with values"],
  ["text", "FILE:1: holds something else than keys with values"],
  ["cluster: &x b\nmember: *x", "FILE:2: the alias *x is not understood here: write the value out"],
  ["cluster: !foo x", "FILE:1: Unresolved tag: !foo"],
  ["cluster: a\n---\ncluster: b", "FILE:2: a second document begins here; only one is understood"],
  ["[".repeat(100_000), "FILE: is nested too deeply"],
  ["? [a]\n: b", "FILE:1: a key must be a plain text"],
])("configuration file: %.20j is a fault with its line", async (text, fault) => {
  expect((await readText(text)).faults).toContain(fault);
});

test("configuration file: the parser's complaints do not quote what may be a secret", async () => {
  expect((await readText("name\n: hunter2\n")).faults).toContain("FILE:2: Unexpected scalar token in YAML stream");
  expect((await readText("name: |hunter2\n")).faults).toContain("FILE:1: Block scalar header includes extra characters");
});

test("configuration file: one without any key is fine", async () => {
  expect((await readText("# nothing yet\n")).faults).toEqual([]);
});

test("configuration file: one that cannot be read is a fault, and a huge one is not read", async () => {
  await using directory = await temporaryDirectory("config-file");
  const faultsOf = async (name: string) => (await readConfigFile(join(directory.path, name))).faults.map(({ text }) => text);
  await mkdir(join(directory.path, "directory"));
  await writeFile(join(directory.path, "huge"), "");
  await truncate(join(directory.path, "huge"), 2 ** 32);
  await writeFile(join(directory.path, "binary"), Buffer.of(0x6b, 0x3a, 0, 0xff));
  await writeFile(join(directory.path, "latin1"), Buffer.from("name: J\xfcrgen\n", "latin1"));
  for (const name of ["binary", "latin1"]) expect(await faultsOf(name)).toEqual(["is not a text file"]);
  expect(await faultsOf("absent")).toEqual(["cannot be read: there is no such file"]);
  expect(await faultsOf("directory")).toEqual(["cannot be read: it is a directory"]);
  expect(await faultsOf("huge")).toEqual(["is 4294967296 bytes long; 1048576 are the limit"]);
});
