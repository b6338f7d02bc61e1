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

test.each([
  ["a flag on two lines", manifest("etcd", "--name=cp1", "--initial-cluster-state", "new")],
  ["a quota on two lines", manifest("etcd", "--initial-cluster-state=new", "--quota-backend-bytes", '"8589934592"')],
  ["a command in one line", `spec:\n  containers:\n  - command: [etcd, --initial-cluster-state=new]\n${VOLUMES}`],
  ["flags in one line", `spec:\n  containers:\n  - command:\n    - etcd\n    args: ["--initial-cluster=a=http://a:2380"]\n${VOLUMES}`],
  ["a shell", manifest("sh", "-c", "exec etcd --initial-cluster-state=new")],
  ["a command of another path", manifest("/usr/local/bin/etcd", "--initial-cluster-state=new")],
  ["two commands", `${manifest("etcd", "--initial-cluster-state=new")}  - command:\n    - etcd\n`],
])("kubeadm: a manifest with %s is not changed and not started, and why is said", async (_, text) => {
  const result = await startWith(text);
  expect(result.stdout).toMatch(/^STOP: \S+etcd\.yaml is left as it is: write the command as - etcd/);
  expect(result).toMatchObject({ isStarted: false, text });
  expect(result.exitCode).not.toBe(0);
});
