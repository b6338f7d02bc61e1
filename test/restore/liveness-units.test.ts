// systemd does not run where tests do: `systemctl` is a script here that prints what a real one prints (systemd 252).
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { seeUnits } from "../../src/restore/liveness-units.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { PATH } = process.env;
const signal = new AbortController().signal;
const directory = await temporaryDirectory("units");
afterAll(() => directory.remove());
afterEach(() => {
  process.env["PATH"] = PATH;
});

async function answering(script: string) {
  await writeFile(join(directory.path, "systemctl"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  process.env["PATH"] = `${directory.path}:${PATH}`;
  return seeUnits({ signal });
}

function unit(id: string, state: string, argv: string, more = ""): string {
  return `ExecStart={ path=/bin/x ; argv[]=${argv} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }\n${more}Id=${id}\nActiveState=${state}\n`;
}

test("units: running ones and those that wait to be restarted, each with its data directory", async () => {
  const file = join(directory.path, "etcd.env");
  await writeFile(file, 'ETCD_NAME="a"\nETCD_DATA_DIR="/data/from-file"\n');
  const shown = [
    unit("etcd.service", "active", "/usr/bin/etcd --name a --data-dir=/data/flag"),
    unit(
      "etcd-member.service",
      "activating",
      "/usr/bin/etcd",
      `Environment=ETCD_NAME=a ETCD_DATA_DIR=/data/environment\nEnvironmentFiles=${file} (ignore_errors=yes)\n`,
    ),
    unit("etcd@b.service", "deactivating", "/usr/bin/etcd", "Environment=ETCD_DATA_DIR=/data/environment\nEnvironmentFiles=/nowhere (ignore_errors=yes)\n"),
    unit("etcd@c.service", "active", "/usr/bin/etcd --config-file /etc/etcd.yaml"),
    unit("k3s.service", "active", "/usr/local/bin/k3s server --cluster-init"),
    unit("rke2-server.service", "active", "/usr/local/bin/rke2 server -d /data/rke2"),
  ];
  await writeFile(join(directory.path, "shown"), shown.join("\n"));
  expect(await answering(`cat ${directory.path}/shown`)).toEqual({
    running: [
      { name: "etcd.service", state: "active", dataDir: "/data/flag" },
      { name: "etcd-member.service", state: "activating", dataDir: "/data/from-file" },
      { name: "etcd@b.service", state: "deactivating", dataDir: "/data/environment" },
      { name: "etcd@c.service", state: "active", dataDir: null },
      { name: "k3s.service", state: "active", dataDir: "/var/lib/rancher/k3s" },
      { name: "rke2-server.service", state: "active", dataDir: "/data/rke2" },
    ],
  });
});

test("units: stopped, failed and unknown ones do not count, and k3s-agent is not asked for", async () => {
  const shown = [unit("etcd.service", "failed", "/usr/bin/etcd"), "Id=k3s.service\nActiveState=inactive\n"].join("\n");
  await writeFile(join(directory.path, "shown"), shown);
  expect(await answering(`case "$*" in *agent*) exit 1;; esac; cat ${directory.path}/shown`)).toEqual({ running: [] });
});

test("units: where systemd does not run, or there is no systemctl, nobody could be asked", async () => {
  expect(await answering('echo "System has not been booted with systemd as init system (PID 1). Can\'t operate." >&2; exit 1')).toEqual({
    unasked: "System has not been booted with systemd as init system (PID 1). Can't operate.",
  });
  process.env["PATH"] = "/nowhere";
  expect(await seeUnits({ signal })).toEqual({ unasked: "there is no systemctl here" });
});
