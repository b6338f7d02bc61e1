// etcd as the unit `etcd` on hosts of its own, with or without a Kubernetes that keeps its state there (kubeadm's external etcd).
import { compareStep, ETCDCTL, etcdctlNeeds, masterLeasesStep, restoreStep } from "./restore-step.ts";
import { shellCommand } from "./shell-command.ts";
import { API_SERVER_STEPS, stopPods, WORKER_STEPS } from "./static-pods.ts";
import { type HostInstructions, hostOf, type InstructedMember, type InstructedRestore, type InstructionStep, initialCluster, STAGE, waitFor } from "./steps.ts";

/** What etcd has logged since it was started last. */
const LOG = "journalctl -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show -p InvocationID --value etcd)";
/** The second is what etcd 3.4 logs, unless it is given --logger=zap: which of the variables it takes. */
const LOGGED_EXISTING = '"initial-cluster-state":"existing"|ETCD_INITIAL_CLUSTER_STATE=existing';
const LOGGED = '"(data-dir|initial-cluster-state|quota-[a-z]+-bytes)":[^,]*|ETCD_(DATA_DIR|INITIAL_CLUSTER_STATE|QUOTA_BACKEND_BYTES)=[^ ]*|data dir = .*';
/** What the unit sets, itself and in its files of variables; a file may be missing. */
const VARIABLES = `systemctl show -p Environment etcd; cat $(systemctl show -p EnvironmentFiles etcd | sed -n 's/^EnvironmentFiles=\\(.*\\) (ignore_errors=.*/\\1/p') /dev/null 2>/dev/null`;
/** What comes after the name, in quotes or not, up to a space; of comments nothing. */
const QUOTAS = `{ ${VARIABLES}; } | grep -vE '^[[:space:]]*[#;]' | grep -oE 'ETCD_QUOTA_BACKEND_BYTES[[:space:]]*=[[:space:]]*[^[:space:]]*' | sed -E 's/^[^=]*=[[:space:]]*//' | tr -d '"_'\\'`;
/**
 * etcd reads it as Go does: decimal, `0x200000000` or octal `010`, with a `_` between digits, which is gone here; nothing where it is empty. What else Go or
 * etcd knows (`0o10`, `0b10`, -1 for no limit) not every shell can compute with, and would be taken for a smaller quota.
 */
const NUMBER = "0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*";
const TO_DECIMAL = "grep . | while read -r number; do echo $((number)); done";
const UNREADABLE =
  "nothing is changed: write the ETCD_QUOTA_BACKEND_BYTES of the unit and its files in decimal digits, or leave it out, then run this step again";
const DROP_IN = "/etc/systemd/system/etcd.service.d";

export function systemdInstructions(restore: InstructedRestore): HostInstructions[] {
  const hosts = restore.members.map((member, index) => ({
    member: member.name,
    host: hostOf(member),
    steps: [
      { number: STAGE.stop, title: "Stop the API servers and etcd", commands: ["systemctl stop etcd"] },
      restoreStep(restore, member),
      startStep(restore, member),
      ...(index === 0 ? [compareStep(restore, ETCDCTL, etcdctlNeeds(restore)), masterLeasesStep(restore, ETCDCTL)] : []),
    ],
  }));
  const apiServers = {
    member: null,
    host: "every node with an API server (none: leave this out)",
    steps: [
      {
        number: STAGE.stop,
        title: "Stop the API servers and etcd",
        why: "Before etcd. Where they are units and no static pods: `systemctl stop kube-apiserver`, and so on below.",
        commands: stopPods(["kube-apiserver"]),
      },
      ...API_SERVER_STEPS,
    ],
  };
  return [apiServers, ...hosts, { member: null, host: "every other node", steps: WORKER_STEPS }];
}

/**
 * As a file of variables, since a unit's own files of variables beat variables that are set in a drop-in; the last file wins. Flags in ExecStart beat both,
 * so etcd's log has the last word. A larger quota than is needed is kept, wherever the unit has it from. A start that waits would wait for a quorum, which
 * is there once the next hosts have started theirs.
 */
function startStep({ members, quotaBackendBytes }: InstructedRestore, { dataDir }: InstructedMember): InstructionStep {
  const variables = [`ETCD_INITIAL_CLUSTER=${initialCluster(members)}`, "ETCD_INITIAL_CLUSTER_STATE=existing"];
  return {
    number: STAGE.start,
    title: "Start etcd",
    why:
      `etcd must log "initial-cluster-state":"existing"${dataDir === null ? "" : `, the data directory ${dataDir}`} and a quota of at least ${quotaBackendBytes} bytes. If it does not, the unit's flags or --config-file say ` +
      "otherwise: change them there. With another state, a member whose directory is missing would serve an empty keyspace.",
    commands: [
      // One command, since what follows one that stops would be run all the same where the step is pasted.
      [
        `quotas=$(${QUOTAS})`,
        `{ ! echo "$quotas" | grep -vqxE '(${NUMBER})?' || { ${shellCommand(["echo", `STOP: ${UNREADABLE}`])}; false; }; }`,
        `quota=$(echo "$quotas" | ${TO_DECIMAL} | sort -n | tail -n 1)`,
        `{ [ "\${quota:-0}" -ge ${quotaBackendBytes} ] || quota=${quotaBackendBytes}; }`,
        `mkdir -p ${DROP_IN}`,
        `${shellCommand(["printf", "%s\\n", ...variables])} "ETCD_QUOTA_BACKEND_BYTES=$quota" >${DROP_IN}/restored.env`,
        `printf '%s\\n' '[Service]' 'EnvironmentFile=${DROP_IN}/restored.env' >${DROP_IN}/restored.conf`,
        "systemctl daemon-reload",
        // One that has failed too often is not started otherwise.
        "systemctl reset-failed etcd",
        "systemctl start --no-block etcd",
        waitFor(`${LOG} | grep -qE '${LOGGED_EXISTING}'`),
        `${LOG} | grep -oE '${LOGGED}'`,
      ].join(" && "),
    ],
  };
}
