import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { snapshotInstructions } from "../../../src/restore/instructions/instructions.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const RESTORE = { file: "/x/y.db", restoreCommand: "true", adoptCommand: null, quotaBackendBytes: 1, time: "t" };

/** As systemd says it: flags on one line, and a line for each file. */
const SYSTEMCTL = `#!/bin/sh
case "$1 $*" in
show*EnvironmentFiles*) echo "EnvironmentFiles=$ROOT/none (ignore_errors=yes)"; echo "EnvironmentFiles=$ROOT/unit.env (ignore_errors=yes)" ;;
show*) echo "ExecStart={ path=/usr/local/bin/k3s ; argv[]=$(cat "$ROOT/argv") ; ignore_errors=no ; start_time=[n/a] }"; echo Environment= ;;
start*) touch "$ROOT/started" ;;
esac
`;

/** Runs step 5 of a server with these files: relative to the root, of what the commands read. */
async function join5(distro: "k3s" | "rke2", files: Readonly<Record<string, string>>) {
  const { path: root, remove } = await temporaryDirectory("rancher");
  onTestFinished(remove);
  const put = async (path: string, content: string, mode = 0o644) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content, { mode });
  };
  const db = `var/lib/rancher/${distro}/server/db/etcd`;
  await put(`${db}/member/snap/db`, "old");
  await put("bin/systemctl", SYSTEMCTL, 0o755);
  for (const kubectl of ["bin/k3s", "var/lib/rancher/rke2/bin/kubectl"]) await put(kubectl, "#!/bin/sh\n", 0o755);
  await put("argv", "/usr/local/bin/k3s server");
  for (const [path, content] of Object.entries(files)) await put(path, content.replaceAll("/var/", `${root}/var/`));
  const steps = snapshotInstructions(distro, RESTORE).flatMap((host) => host.steps);
  const commands = steps
    .find(({ number }) => number === 5)!
    .commands.join("\n")
    .replaceAll(/\/(?=etc\/|var\/)/g, `${root}/`);
  const env = { PATH: `${root}/bin:${process.env["PATH"]}`, ROOT: root };
  const { stdout, exitCode } = await runCommand("sh", ["-c", commands], { env, limitMs: 20_000 });
  const [isStarted, isThere] = [existsSync(join(root, "started")), existsSync(join(root, db))];
  // Never one without the other: a start with the old directory would bring the old cluster back.
  expect(isStarted).toBe(!isThere);
  expect(exitCode === 0).toBe(isStarted);
  return { isStarted, stdout };
}

const CONFIG = "etc/rancher/k3s/config.yaml";
const DIRECTORY = "/var/lib/rancher/k3s";

test.each([
  { [CONFIG]: "token: abc\nserver: https://10.0.0.1:6443\n" },
  { [CONFIG]: `"token": "abc"\n"server" : "https://10.0.0.1:6443"\n"data-dir": "${DIRECTORY}"\n` },
  { [CONFIG]: "token-file: /x\n", [`${CONFIG}.d/join.yaml`]: "server: 'https://10.0.0.1:6443'\n" },
  { argv: `/usr/local/bin/k3s server --data-dir ${DIRECTORY}/ --server https://10.0.0.1:6443 --token abc` },
  { argv: "/usr/local/bin/k3s server -t abc -s https://10.0.0.1:6443" },
  { "unit.env": "K3S_TOKEN='abc'\nK3S_URL='https://10.0.0.1:6443'\n" },
])("k3s: a server that names another one joins it again without its directory, %j", async (files) => {
  const { isStarted, stdout } = await join5("k3s", files);
  expect(stdout).toBe("");
  expect(isStarted).toBe(true);
});

test("RKE2: a server that names another one joins it again without its directory", async () => {
  expect(await join5("rke2", { "etc/rancher/rke2/config.yaml": "server: https://10.0.0.1:9345\ntoken: abc\n" })).toEqual({ isStarted: true, stdout: "" });
  expect((await join5("rke2", { "unit.env": "RKE2_URL=https://10.0.0.1:9345\nRKE2_TOKEN=abc\n" })).isStarted).toBe(true);
  expect((await join5("rke2", { "etc/rancher/rke2/config.yaml": "token: abc\n" })).stdout).toMatch(/^STOP: this server names no other to join: .*:9345 into/);
});

test.each([
  ["names no other to join", {}],
  ["names no other to join", { [CONFIG]: "token: abc\ncluster-init: true\n# server: https://10.0.0.1:6443\n" }],
  ["names no other to join", { argv: "/usr/local/bin/k3s server --token abc --tls-san https://10.0.0.1:6443 --cluster-init", "unit.env": "K3S_URL=\n" }],
  ["has no token", { [CONFIG]: "server: https://10.0.0.1:6443\n" }],
  ["its data directory is not", { [CONFIG]: "token: abc\nserver: https://10.0.0.1:6443\ndata-dir: /srv/k3s\n" }],
  ["its data directory is not", { argv: `/usr/local/bin/k3s server -t abc -s https://10.0.0.1:6443 --data-dir=${DIRECTORY}2` }],
])("k3s: nothing is moved away, nor started, on a server that %s, %j", async (why, files) => {
  const { isStarted, stdout } = await join5("k3s", files);
  expect(stdout).toMatch(/^STOP: /m);
  expect(stdout).toContain(why);
  expect(isStarted).toBe(false);
});
