// k3s and RKE2 with embedded etcd: one server restores a snapshot file, the others join it again with an empty etcd directory.
import { checkJoins, type JoiningServer } from "./rancher-join.ts";
import { compareInUse, etcdctlWithout, SAME_REVISION } from "./restore-step.ts";
import { shellCommand } from "./shell-command.ts";
import { adoptStep, EVIDENCE_NOTE, quotaNote, type SnapshotRestore } from "./snapshot-restore.ts";
import { type HostInstructions, waitFor } from "./steps.ts";

interface Distribution extends JoiningServer {
  readonly command: string;
  readonly agentUnit: string;
  readonly kubectl: string;
  /** Stops what goes on running when the unit has stopped. */
  readonly killAll: readonly string[];
}

export const K3S: Distribution = {
  command: "k3s",
  dataDir: "/var/lib/rancher/k3s",
  unit: "k3s",
  agentUnit: "k3s-agent",
  configFile: "/etc/rancher/k3s/config.yaml",
  variablePrefix: "K3S",
  joinPort: 6443,
  kubectl: "k3s kubectl",
  killAll: [],
};

export const RKE2: Distribution = {
  command: "rke2",
  dataDir: "/var/lib/rancher/rke2",
  unit: "rke2-server",
  agentUnit: "rke2-agent",
  configFile: "/etc/rancher/rke2/config.yaml",
  variablePrefix: "RKE2",
  joinPort: 9345,
  kubectl: "/var/lib/rancher/rke2/bin/kubectl --kubeconfig /etc/rancher/rke2/rke2.yaml",
  killAll: ["rke2-killall.sh"],
};

/** Where etcd has its data. */
export function serverDataDir({ dataDir }: Distribution): string {
  return `${dataDir}/server/db/etcd`;
}

/** The others' `server/db/etcd` goes, never `server/db`: their own snapshots lie there too. */
export function rancherInstructions(distribution: Distribution, restore: SnapshotRestore): HostInstructions[] {
  const { command, dataDir, unit, agentUnit, configFile, variablePrefix, joinPort, kubectl, killAll } = distribution;
  const stop = { number: 1, title: `Stop ${command}`, commands: [`systemctl stop ${unit}`, ...killAll] };
  const start = [`systemctl start ${unit}`, waitFor(`${kubectl} get --raw=/readyz`)];
  const tls = `${dataDir}/server/tls/etcd`;
  const connection = ["--endpoints", "https://127.0.0.1:2379", "--cacert", `${tls}/server-ca.crt`, "--cert", `${tls}/client.crt`, "--key", `${tls}/client.key`];
  const etcdctl = `${etcdctlWithout(connection.filter((word) => word.startsWith("--")))} ${shellCommand(connection)}`;
  const named = `\`server:\` of ${configFile}, in --server of the unit or in ${variablePrefix}_URL of its environment file`;
  const kept = `${dataDir}/server/db/etcd.before-restore-${restore.time}`;
  const restart = { number: 7, title: "Restart the agents", commands: [`systemctl restart ${agentUnit}`] };
  return [
    {
      member: null,
      host: `the first server: one that names no other, in ${named}`,
      steps: [
        stop,
        { number: 2, title: "Write the snapshot file", why: EVIDENCE_NOTE, commands: [restore.restoreCommand] },
        {
          number: 3,
          title: "Restore it",
          why:
            `It ends by itself. Add the flags that only the unit's ExecStart has, and what its environment files say (\`systemctl cat ${unit}\`), such as --data-dir and --token, but not ` +
            `--server: a server that names another refuses the reset. It needs the token of the cluster that was backed up, which decrypts what is in the snapshot: kept in ${dataDir}/server/token; on a new host ` +
            `give it with --token. Should it say that a reset was performed already, remove ${dataDir}/server/db/reset-flag.${quotaNote(restore, 2, `\`etcd-arg: ["quota-backend-bytes=${restore.quotaBackendBytes}"]\` in ${configFile} of every server`)}`,
          commands: [shellCommand([command, "server", "--cluster-reset", `--cluster-reset-restore-path=${restore.file}`])],
        },
        { number: 4, title: `Start ${command} there`, commands: start },
        {
          number: 6,
          title: "Compare the members",
          why: `${SAME_REVISION} ${command} has written since, so it is not the one that step 2 printed. etcdctl does not come with it: any host will do that has one and these files. The endpoints must be servers that run.`,
          commands: [...compareInUse(etcdctl), `${kubectl} get endpoints kubernetes`],
        },
        ...adoptStep(restore, 8, command, connection),
      ],
    },
    {
      member: null,
      host: "every other server, one after the other",
      steps: [
        stop,
        {
          number: 5,
          title: "Join again, empty",
          why:
            `A server that names no other to join begins an empty cluster of its own: each has to name one that runs again, such as the first (https://<its address>:${joinPort}), in ` +
            `${named}, with the token; nothing is moved away, nor started, where the commands do not find that. ` +
            `Only \`server/db/etcd\` is moved away: the rest of \`server/db\`, snapshots among it, and \`server/token\` stay.`,
          // A server whose disk is new has none.
          commands: [
            ...checkJoins(distribution),
            `[ "$joins" = yes ] && { [ ! -e ${dataDir}/server/db/etcd ] || mv ${dataDir}/server/db/etcd ${kept}; } && ${start.join(" && ")}`,
          ],
        },
      ],
    },
    { member: null, host: "every agent", steps: [restart] },
  ];
}
