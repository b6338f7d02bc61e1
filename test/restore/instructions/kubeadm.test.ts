import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kubeadmInstructions } from "../../../src/restore/instructions/kubeadm.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const MEMBER = {
  name: "cp1",
  peerUrls: ["https://10.0.0.1:2380"],
  clientUrls: ["https://10.0.0.1:2379"],
  clientUrlsAssumed: false,
  dataDir: "/var/lib/etcd",
  walDir: null,
};
const COMMANDS = kubeadmInstructions({
  members: [MEMBER],
  quotaBackendBytes: 2 * 1024 ** 3,
  compareRevision: "7",
  authEnabled: false,
  perHost: true,
  restoreCommand: () => "true",
})[0]!.steps.find(({ number }) => number === 3)!.commands;

const INSERTED = ["--initial-cluster=cp1=https://10.0.0.1:2380", "--initial-cluster-state=existing"];
const VOLUMES = "  volumes:\n  - hostPath:\n      path: /var/lib/etcd\n";

/** What step 3 looks for before it starts etcd. */
const FINAL = ["--initial-cluster-state=existing", "--quota-backend-bytes=8589934592"];

function manifest(...command: readonly string[]): string {
  return `spec:\n  containers:\n  - command:\n${command.map((word) => `    - ${word}\n`).join("")}    image: etcd\n${VOLUMES}`;
}

/** What step 3 prints and leaves; `started`: the manifest where the kubelet looks. */
async function startWith(text: string) {
  await using directory = await temporaryDirectory("kubeadm");
  const [stopped, running] = [join(directory.path, "manifests-stopped"), join(directory.path, "manifests")];
  for (const each of [stopped, running]) await mkdir(each);
  await writeFile(join(stopped, "etcd.yaml"), text);
  const script = COMMANDS.join("\n").replaceAll("/etc/kubernetes/", `${directory.path}/`);
  const { exitCode, stdout, stderr } = await runCommand("sh", ["-c", script], { limitMs: 20_000 });
  const [name] = await readdir(running);
  const left = name === undefined ? stopped : running;
  return { exitCode, stdout, stderr, isStarted: name !== undefined, text: await readFile(join(left, "etcd.yaml"), "utf8") };
}

test.each(["etcd", '"etcd"', "'etcd'", "  etcd"])("kubeadm: a command that is written as - %s gets the flags behind it", async (program) => {
  const result = await startWith(
    manifest(program, '"--name=cp1"', '"--initial-cluster-state=new"', "--initial-cluster-token=kept", "'--quota-backend-bytes=8589934592'"),
  );
  expect(result).toMatchObject({ exitCode: 0, stdout: "", stderr: "", isStarted: true });
  expect(result.text).toBe(manifest(program, ...INSERTED, "--quota-backend-bytes=8589934592", '"--name=cp1"', "--initial-cluster-token=kept"));
});

test("kubeadm: comments, empty lines and other flags that go on in a next line stop nothing", async () => {
  const others = ['"--name=cp1,\\\n      more"', "--listen-client-urls=http://a:1,\n      http://b:1"];
  const flags = [
    "--initial-cluster=old=https://x:2380 # the old ones\n    # --initial-cluster=older=https://x:2380,\n      # newer",
    '"--initial-cluster-state=new"\n',
  ];
  const result = await startWith(manifest("etcd", ...others, ...flags));
  expect(result).toMatchObject({ exitCode: 0, stdout: "", stderr: "", isStarted: true });
  expect(result.text.split("\n").filter((line) => line.includes("- --initial-cluster="))).toEqual([`    - ${INSERTED[0]}`]);
  for (const other of others) expect(result.text).toContain(`    - ${other}\n`);
});

test("kubeadm: flags with one dash are replaced like those with two", async () => {
  const flags = ["-initial-cluster=old=https://x:2380", '"-initial-cluster-state=new"', "'-quota-backend-bytes=8589934592'", "-name=cp1"];
  const result = await startWith(manifest("etcd", ...flags));
  expect(result).toMatchObject({ exitCode: 0, stdout: "", stderr: "", isStarted: true });
  expect(result.text).toBe(manifest("etcd", ...INSERTED, "--quota-backend-bytes=8589934592", "-name=cp1"));
});

test("kubeadm: of two quotas the larger is kept", async () => {
  const result = await startWith(manifest("etcd", "--quota-backend-bytes=8589934592", "--quota-backend-bytes=2147483648"));
  expect(result.text).toBe(manifest("etcd", ...INSERTED, "--quota-backend-bytes=8589934592"));
});

test("kubeadm: a manifest that mounts another directory is not changed either", async () => {
  const text = manifest("etcd", "--initial-cluster-state=new").replace("/var/lib/etcd", "/data/etcd");
  const result = await startWith(text);
  expect(result.stdout).toMatch(/^STOP: \S+ mounts another directory than \/var\/lib\/etcd, which was restored, and is left as it is$/m);
  expect(result).toMatchObject({ isStarted: false, text });
});

test.each([
  ["a flag on two lines", manifest("etcd", "--name=cp1", "--initial-cluster-state", "new")],
  ["a quota on two lines", manifest("etcd", "--initial-cluster-state=new", "--quota-backend-bytes", '"8589934592"')],
  ["a command in one line", `spec:\n  containers:\n  - command: [etcd, --initial-cluster-state=new]\n${VOLUMES}`],
  ["flags in one line", `spec:\n  containers:\n  - command:\n    - etcd\n    args: ["--initial-cluster=a=http://a:2380"]\n${VOLUMES}`],
  ["a shell", manifest("sh", "-c", "exec etcd --initial-cluster-state=new")],
  ["a command of another path", manifest("/usr/local/bin/etcd", "--initial-cluster-state=new")],
  ["a flag that a backslash goes on from", manifest("etcd", '"--initial-cluster=old=https://x:2380,\\', '  new=https://y:2380"', ...FINAL)],
  [
    "a flag that a backslash goes on from, at the same indentation",
    manifest("etcd", '"--initial-cluster=old=https://x:2380,\\\nnew=https://y:2380"', ...FINAL),
  ],
  ["a flag whose quote ends in the next line", manifest("etcd", '"--initial-cluster=old=https://x:2380,\n      new=https://y:2380"', ...FINAL)],
  ["a flag whose single quote ends in the next line", manifest("etcd", "'--initial-cluster=old=https://x:2380,\n      new=https://y:2380'", ...FINAL)],
  ["a flag that goes on in the next line", manifest("etcd", "--initial-cluster=old=https://x:2380,\n      new=https://y:2380", ...FINAL)],
  ["a last flag that goes on in the next line", manifest("etcd", ...FINAL, "--initial-cluster=old=https://x:2380,\n      new=https://y:2380")],
  ["a flag that goes on behind an empty line", manifest("etcd", "--initial-cluster=old=https://x:2380,\n\n      new=https://y:2380", ...FINAL)],
  ["a flag that goes on in what looks like an item", manifest("etcd", "--initial-cluster=old=https://x:2380,\n      - new=https://y:2380", ...FINAL)],
  ["a flag that goes on behind a tab", manifest("etcd", "--initial-cluster=old=https://x:2380,\n    \tnew=https://y:2380", ...FINAL)],
  ["a program that goes on in the next line", manifest("etcd\n      --name=cp1", ...FINAL)],
  ["a folded flag", manifest("etcd", ">-\n      --initial-cluster=old=https://x:2380,new=https://y:2380", ...FINAL)],
  ["a literal flag", manifest("etcd", "|\n      --initial-cluster=old=https://x:2380", ...FINAL)],
  ["a literal text that holds what looks like a flag", manifest("etcd", "|\n      sh\n      - --initial-cluster=old=https://x:2380", ...FINAL)],
  ["flags that are indented otherwise", `${manifest("etcd", "--name=cp1")}    args:\n      - --initial-cluster=old=https://x:2380\n`],
  ["a flag with one dash on two lines", manifest("etcd", "-initial-cluster-state", "new")],
  ["a flag whose dash is escaped", manifest("etcd", '"\\x2d-initial-cluster=old=https://x:2380"')],
  ["a flag with an escaped letter", manifest("etcd", '"--initial-cluster-\\u0073tate=new"')],
  ["a hexadecimal quota", manifest("etcd", "--quota-backend-bytes=0x200000000")],
  ["a quota with underscores", manifest("etcd", '"--quota-backend-bytes=8_589_934_592"')],
  ["an octal quota", manifest("etcd", "'--quota-backend-bytes=0100000000000'")],
  ["no limit for a quota", manifest("etcd", "--quota-backend-bytes=-1")],
  ["two commands", `${manifest("etcd", "--initial-cluster-state=new")}  - command:\n    - etcd\n`],
])("kubeadm: a manifest with %s is not changed and not started, and why is said", async (_, text) => {
  const result = await startWith(text);
  expect(result.stdout).toMatch(/^STOP: \S+etcd\.yaml is left as it is: write the command as - etcd/);
  expect(result).toMatchObject({ isStarted: false, text });
  expect(result.exitCode).not.toBe(0);
});
