import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemdInstructions } from "../../../src/restore/instructions/systemd.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const NEEDED = 4 * 1024 ** 3;
const MEMBER = { name: "m'1", peerUrls: ["http://10.0.0.1:2380"], clientUrls: [], clientUrlsAssumed: true, dataDir: "/var/lib/etcd", walDir: null };
const COMMANDS = systemdInstructions({
  members: [MEMBER],
  quotaBackendBytes: NEEDED,
  compareRevision: "7",
  authEnabled: false,
  perHost: true,
  restoreCommand: () => "true",
})
  .find(({ member }) => member !== null)!
  .steps.find(({ number }) => number === 3)!.commands;

interface Unit {
  readonly environment?: string;
  readonly file?: string;
}

/** The variables that step 3 leaves, where the unit has `environment` and a file with `file`; null where it leaves none. */
async function run({ environment = "", file }: Unit) {
  await using directory = await temporaryDirectory("systemd");
  const at = (path: string) => join(directory.path, path);
  await mkdir(at("bin"));
  if (file !== undefined) await writeFile(at("etcd.conf"), file);
  const show = `[ "$1" != show ] || printf '%s\\n' 'Environment=${environment}' 'EnvironmentFiles=${at("etcd.conf")} (ignore_errors=yes)' 'EnvironmentFiles=${at("none")} (ignore_errors=yes)'`;
  for (const [name, script] of [
    ["systemctl", show],
    ["journalctl", `echo '"initial-cluster-state":"existing"'`],
  ] as const) {
    await writeFile(at(`bin/${name}`), `#!/bin/sh\n${script}\n`);
    await chmod(at(`bin/${name}`), 0o755);
  }
  const script = ["set -e", ...COMMANDS].join("\n").replaceAll("/etc/systemd/", `${directory.path}/`);
  const { exitCode, stdout, stderr } = await runCommand("sh", ["-c", script], {
    env: { ...process.env, PATH: `${at("bin")}:${process.env["PATH"]}` },
    limitMs: 20_000,
  });
  const variables = await readFile(at("system/etcd.service.d/restored.env"), "utf8").catch(() => null);
  return { exitCode, stdout, stderr, variables };
}

test.each([
  [{}, NEEDED],
  [{ file: "ETCD_NAME=m1\nETCD_QUOTA_BACKEND_BYTES=8589934592\n" }, 8589934592],
  [{ file: '#ETCD_X=1\nETCD_QUOTA_BACKEND_BYTES="8589934592"\n' }, 8589934592],
  [{ file: "ETCD_QUOTA_BACKEND_BYTES=2147483648\n" }, NEEDED],
  [{ file: "ETCD_QUOTA_BACKEND_BYTES=\n" }, NEEDED],
  [{ file: "# ETCD_QUOTA_BACKEND_BYTES=<bytes>\nETCD_QUOTA_BACKEND_BYTES = 8589934592 \n" }, 8589934592],
  [{ file: "ETCD_QUOTA_BACKEND_BYTES=0x200000000\n" }, 8589934592],
  [{ file: "ETCD_QUOTA_BACKEND_BYTES='8_589_934_592'\n" }, 8589934592],
  [{ environment: "ETCD_QUOTA_BACKEND_BYTES=0100000000000" }, 8589934592],
  [{ environment: "ETCD_NAME=m1 ETCD_QUOTA_BACKEND_BYTES=8589934592", file: "ETCD_NAME=m1\n" }, 8589934592],
  [{ environment: "ETCD_QUOTA_BACKEND_BYTES=8589934592", file: "ETCD_QUOTA_BACKEND_BYTES=17179869184\n" }, 17179869184],
  [{ environment: "ETCD_QUOTA_BACKEND_BYTES=17179869184", file: "ETCD_QUOTA_BACKEND_BYTES=8589934592\n" }, 17179869184],
])("systemd: of the unit's quotas and the one that is needed, the larger counts: %j", async (unit, quota) => {
  expect(await run(unit)).toMatchObject({
    ...{ exitCode: 0, stderr: "" },
    variables: `ETCD_INITIAL_CLUSTER=m'1=http://10.0.0.1:2380\nETCD_INITIAL_CLUSTER_STATE=existing\nETCD_QUOTA_BACKEND_BYTES=${quota}\n`,
  });
});

test.each([
  { file: "ETCD_QUOTA_BACKEND_BYTES=-1\n" },
  { file: 'ETCD_QUOTA_BACKEND_BYTES="0o100000000000"\n' },
  { file: "ETCD_QUOTA_BACKEND_BYTES=0b1000000000000000000000000000000000\n" },
  { file: "ETCD_QUOTA_BACKEND_BYTES = 8GiB\n" },
  { environment: "ETCD_NAME=m1 ETCD_QUOTA_BACKEND_BYTES=-1 ETCD_X=1", file: "ETCD_QUOTA_BACKEND_BYTES=8589934592\n" },
])("systemd: a quota that may be larger than it would be taken for stops the step before anything is changed: %j", async (unit) => {
  expect(await run(unit)).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^STOP: nothing is changed: .*\n$/), stderr: "", variables: null });
});
