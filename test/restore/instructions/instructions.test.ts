import { execFileSync } from "node:child_process";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { provisionEtcd } from "../../../scripts/provision.ts";
import { memberInstructions, snapshotInstructions } from "../../../src/restore/instructions/instructions.ts";
import type { HostInstructions, InstructedRestore } from "../../../src/restore/instructions/steps.ts";
import { runCommand } from "../../support/command.ts";

const QUOTA = 5 * 1024 ** 3;
const RESTORE: InstructedRestore = {
  members: [1, 2, 3].map((n) => ({
    name: `cp${n}`,
    peerUrls: [`https://10.0.0.${n}:2380`],
    clientUrls: [`https://10.0.0.${n}:2379`],
    clientUrlsAssumed: false,
    dataDir: "/var/lib/etcd",
    walDir: null,
  })),
  quotaBackendBytes: QUOTA,
  compareRevision: "1000000762",
  authEnabled: false,
  perHost: true,
  restoreCommand: (member) => `etcdsafe restore --from-plan plan.json --member ${member}`,
};
const SNAPSHOT = {
  file: "/backup/snapshot.db",
  restoreCommand: "etcdsafe restore latest --to-snapshot /backup/snapshot.db",
  adoptCommand: "etcdsafe repo adopt --repository /backup --cluster default",
  time: "20261121T120000Z",
};

function commandsOf(hosts: readonly HostInstructions[]): string[] {
  return hosts.flatMap(({ steps }) => steps.flatMap(({ commands }) => commands));
}

test.each(["kubeadm", "systemd", null] as const)("instructions for %s: each member is stopped, restored, started, compared, in that order", (distro) => {
  const hosts = memberInstructions(distro, RESTORE);
  for (const { name } of RESTORE.members) {
    const { steps, host } = hosts.find(({ member }) => member === name)!;
    expect(host).toBe(`10.0.0.${name.slice(2)}`);
    expect(steps.map(({ number }) => number)).toEqual(steps.map(({ number }) => number).toSorted((a, b) => a - b));
    expect(steps.find(({ number }) => number === 2)?.commands).toEqual([`etcdsafe restore --from-plan plan.json --member ${name}`]);
    // Whatever starts etcd says that the cluster exists and how large it may grow.
    const start = steps.find(({ number }) => number === 3)!.commands.join("\n");
    expect(start).toMatch(/(--initial-cluster-state[ =]|ETCD_INITIAL_CLUSTER_STATE=)existing/);
    expect(start).toMatch(/(quota-backend-bytes |QUOTA_BACKEND_BYTES=|quota=)5368709120/);
    expect(start).toContain("cp1=https://10.0.0.1:2380,cp2=https://10.0.0.2:2380,cp3=https://10.0.0.3:2380");
  }
  const compare = commandsOf(hosts).filter((command) => command.includes("hashkv"));
  expect(compare).toHaveLength(1);
  expect(compare[0]).toContain("--endpoints https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379 endpoint hashkv --rev 1000000762");
});

test("instructions: etcd's own command listens where the members are compared, assumed or named, and what is still to be added is said", () => {
  const title = (members: InstructedRestore["members"]) =>
    memberInstructions(null, { ...RESTORE, members })[0]!.steps.find(({ number }) => number === 3)!.title;
  for (const scheme of ["http", "https"]) {
    for (const clientUrlsAssumed of [true, false]) {
      const urls = (n: number) => ({ peerUrls: [`${scheme}://10.0.0.${n}:2380`], clientUrls: [`${scheme}://10.0.0.${n}:2379`], clientUrlsAssumed });
      const members = RESTORE.members.map((member, index) => ({ ...member, ...urls(index + 1) }));
      const commands = commandsOf(memberInstructions(null, { ...RESTORE, members }));
      const [, endpoints] = / --endpoints (\S+) endpoint hashkv/.exec(commands.join("\n"))!;
      const listening = commands.flatMap((command) => / --listen-client-urls (\S+) --advertise-client-urls \1 /.exec(command)?.[1] ?? []);
      expect(listening).toEqual(endpoints!.split(","));
      expect(title(members)).toBe(
        `Start etcd${clientUrlsAssumed ? ", at the assumed client URLs" : ""}${scheme === "https" ? ", with certificates added" : ""}`,
      );
    }
  }
  const nowhere = { clientUrls: [], clientUrlsAssumed: true };
  expect(title(RESTORE.members.map((member) => ({ ...member, ...nowhere })))).toBe("Start etcd, with client URLs and certificates added");
});

test("instructions: no command says the state new", () => {
  for (const distro of ["kubeadm", "systemd", null] as const) expect(commandsOf(memberInstructions(distro, RESTORE)).join("\n")).not.toMatch(/state[ =]new/);
});

test("instructions for kubeadm: the static pod gets what it needs, whatever it had, and keeps a larger quota", () => {
  const volumes = "    image: etcd\n  volumes:\n  - hostPath:\n      path: /var/lib/etcd\n";
  for (const [quota, expected] of [
    ["", QUOTA],
    ["    - --quota-backend-bytes=1073741824\n", QUOTA],
    ["    - --quota-backend-bytes=8589934592\n", 8589934592],
    ['    - "--quota-backend-bytes=8589934592"\n    - "--initial-cluster-state=new"\n', 8589934592],
  ] as const) {
    const manifest = `spec:\n  containers:\n  - command:\n    - etcd\n    - --name=cp1\n    - --initial-cluster=cp1=https://10.0.0.1:2380\n    - --initial-cluster-state=new\n${quota}${volumes}`;
    expect(started(manifest, "cp'1#&", "cat manifests/etcd.yaml")).toBe(
      `spec:\n  containers:\n  - command:\n    - etcd\n    - --initial-cluster=cp'1#&=https://10.0.0.1:2380\n    - --initial-cluster-state=existing\n    - --quota-backend-bytes=${expected}\n    - --name=cp1\n${volumes}`,
    );
  }
});

test("instructions for kubeadm: a pod that mounts another directory than the restored one is not started", () => {
  const startedWith = (path: string) => {
    const manifest = `  - command:\n    - etcd\n    - --initial-cluster=cp1=u\n  volumes:\n  - hostPath:\n      path: ${path}\n      type: DirectoryOrCreate\n`;
    return started(manifest, "cp1", "ls manifests");
  };
  for (const path of ["/var/lib/etcd", '"/var/lib/etcd/"', "'/var/lib/etcd'"]) expect(startedWith(path)).toBe("etcd.yaml\n");
  for (const path of ["/data/etcd", "/var/lib/etcd2", "/mnt/var/lib/etcd"])
    expect(startedWith(path)).toMatch(/^STOP: \S+ mounts another directory than \/var\/lib\/etcd, .*\n$/);
});

test("instructions for systemd: the log of etcd 3.4, which is no JSON by default, is understood too", () => {
  const start = memberInstructions("systemd", RESTORE)
    .find(({ member }) => member !== null)!
    .steps.find(({ number }) => number === 3)!;
  const [wait, show] = start.commands
    .at(-1)!
    .split(" && ")
    .slice(-2)
    .map((command) => command.replaceAll(/journalctl .* etcd\) \|/g, "cat |"));
  const pattern = (command: string) => /grep -\w+ (?:'\\'')?'?(.*?)'/.exec(command.replaceAll("'\\''", "'"))![1]!;
  const logs = (pattern: string, line: string) => new RegExp(pattern).test(line);
  const json = '{"msg":"starting an etcd server","data-dir":"/var/lib/etcd","initial-cluster-state":"existing","quota-backend-bytes":2147483648}';
  const plain = "2026-11-21 12:00:00.000000 I | pkg/flags: recognized and used environment variable ETCD_INITIAL_CLUSTER_STATE=existing";
  for (const line of [json, plain]) for (const command of [wait!, show!]) expect(logs(pattern(command), line)).toBe(true);
  const other = ['"initial-cluster-state":"new"', "ETCD_INITIAL_CLUSTER_STATE=new", "environment variable ETCD_INITIAL_CLUSTER_STATE, but unused"];
  for (const line of other) expect(logs(pattern(wait!), line)).toBe(false);
  expect(start.why).toContain("/var/lib/etcd");
});

/** What step 3 of a cluster with one member of this name prints about the manifest, and `look` in the end. */
function started(manifest: string, name: string, look: string): string {
  const members = [{ ...RESTORE.members[0]!, name }];
  const { commands } = memberInstructions("kubeadm", { ...RESTORE, members })[0]!.steps.find(({ number }) => number === 3)!;
  const script = `cd "$(mktemp -d)" && mkdir manifests && cat >etcd.yaml; ${commands.join("; ")}; ${look}; rm -r "$PWD"`;
  const here = script.replaceAll(/\/etc\/kubernetes\/manifests-stopped\/etcd\.yaml/g, "etcd.yaml").replaceAll("/etc/kubernetes/manifests/", "manifests/");
  return execFileSync("sh", ["-c", here], { input: manifest, encoding: "utf8" });
}

test.each(["k3s", "rke2"] as const)("instructions for %s: only the others' etcd directory is put away, and nothing is removed", (distro) => {
  const hosts = snapshotInstructions(distro, { ...SNAPSHOT, quotaBackendBytes: QUOTA });
  const all = commandsOf(hosts).join("\n");
  expect(all).not.toMatch(/\brm\b/);
  const [first, other] = hosts;
  expect(commandsOf([first!])).toContain(`${distro} server --cluster-reset --cluster-reset-restore-path=/backup/snapshot.db`);
  expect(commandsOf([first!]).join("\n")).not.toMatch(/^mv /m);
  const db = `/var/lib/rancher/${distro}/server/db/etcd`;
  expect(commandsOf([other!]).join("\n")).toContain(`{ [ ! -e ${db} ] || mv ${db} ${db}.before-restore-20261121T120000Z; } && systemctl start`);
  expect(JSON.stringify(hosts)).toContain("--token");
  expect(JSON.stringify(hosts)).toContain(`quota-backend-bytes=${QUOTA}`);
  expect(JSON.stringify(snapshotInstructions(distro, { ...SNAPSHOT, quotaBackendBytes: 2 * 1024 ** 3 }))).not.toContain("quota");
});

test("instructions for Talos and OpenShift: their own commands take the file", () => {
  const of = (distro: "talos" | "openshift") => commandsOf(snapshotInstructions(distro, { ...SNAPSHOT, quotaBackendBytes: QUOTA }));
  expect(of("talos")).toContain(`talosctl -n $FIRST bootstrap --recover-from=/backup/snapshot.db`);
  expect(of("openshift").slice(0, 3)).toEqual([
    SNAPSHOT.restoreCommand,
    "mv /backup/snapshot.db /backup/snapshot_20261121T120000Z.db",
    "/usr/local/bin/cluster-restore.sh /backup",
  ]);
  const whys = snapshotInstructions("openshift", { ...SNAPSHOT, quotaBackendBytes: QUOTA }).flatMap(({ steps }) =>
    steps.map(({ number, why }) => [number, why]),
  );
  expect(whys).toContainEqual([1, expect.stringContaining("keepalived.yaml")]);
  expect(whys.filter(([number]) => number === 4)).toEqual([1, 2, 3].map(() => [4, expect.stringContaining("OVN-Kubernetes")]));
});

test.each(["k3s", "rke2", "talos", "openshift"] as const)(
  "instructions for %s: last of all, the new cluster, whose id nobody has on record, is adopted",
  (distro) => {
    const steps = (restore: typeof SNAPSHOT | (Omit<typeof SNAPSHOT, "adoptCommand"> & { adoptCommand: null })) =>
      snapshotInstructions(distro, { ...restore, quotaBackendBytes: QUOTA })
        .flatMap((host) => host.steps)
        .toSorted((a, b) => a.number - b.number);
    const last = steps(SNAPSHOT).at(-1)!;
    expect(last.commands).toEqual([expect.stringMatching(/^etcdsafe repo adopt --repository \/backup --cluster default( --endpoints https.*client\.key)?$/)]);
    expect(last.why).toContain("exit code 9");
    expect(steps(SNAPSHOT).find(({ commands }) => commands.includes(SNAPSHOT.restoreCommand))!.why).toMatch(/plan again with .* as --evidence/);
    expect(JSON.stringify(steps({ ...SNAPSHOT, adoptCommand: null }))).not.toContain("repo adopt");
  },
);

test.each(["kubeadm", "systemd", null, "k3s", "rke2", "talos", "openshift"] as const)("instructions for %s: a shell can read every command", (distro) => {
  const hosts =
    distro === "kubeadm" || distro === "systemd" || distro === null
      ? memberInstructions(distro, RESTORE)
      : snapshotInstructions(distro, { ...SNAPSHOT, quotaBackendBytes: QUOTA });
  for (const command of commandsOf(hosts)) execFileSync("sh", ["-n", "-c", command]);
});

test.each(["systemd", null, "k3s", "rke2"] as const)(
  "instructions for %s: etcdctl takes its commands also where an operator has exported its variables",
  async (distro) => {
    const restore = { ...RESTORE, members: RESTORE.members.map((member) => ({ ...member, clientUrls: ["https://127.0.0.1:1"] })) };
    const hosts =
      distro === "systemd" || distro === null ? memberInstructions(distro, restore) : snapshotInstructions(distro, { ...SNAPSHOT, quotaBackendBytes: QUOTA });
    const commands = commandsOf(hosts).filter((command) => /\betcdctl\b/.test(command) && !command.startsWith("timeout"));
    expect(commands.length).toBeGreaterThan(0);
    const { etcdctl } = await provisionEtcd("3.6");
    const given = commands.some((command) => command.includes("--cacert")) ? { ETCDCTL_CACERT: "/ca", ETCDCTL_CERT: "/cert", ETCDCTL_KEY: "/key" } : {};
    const env = {
      PATH: `${dirname(etcdctl)}:${process.env["PATH"]}`,
      ETCDCTL_ENDPOINTS: "https://10.0.0.9:2379",
      ETCDCTL_COMMAND_TIMEOUT: "100ms",
      revision: "1",
      ...given,
    };
    for (const command of commands) {
      const { stderr } = await runCommand("sh", ["-c", command], { env, limitMs: 20_000 });
      expect(stderr).toMatch(/no such file|deadline exceeded|connection refused/);
      expect(stderr).not.toContain("conflicting");
    }
  },
);
