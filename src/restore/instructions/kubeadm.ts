// kubeadm with stacked etcd: every control-plane node runs a member as a static pod. For etcd on hosts of its own see systemd.ts.
import { compareStep, masterLeasesStep, restoreStep } from "./restore-step.ts";
import { shellCommand } from "./shell-command.ts";
import { API_SERVER_STEPS, startPods, stopPods, stoppedManifest, WORKER_STEPS } from "./static-pods.ts";
import { type HostInstructions, hostOf, type InstructedMember, type InstructedRestore, type InstructionStep, initialCluster, STAGE } from "./steps.ts";

const PKI = "/etc/kubernetes/pki/etcd";

export function kubeadmInstructions(restore: InstructedRestore): HostInstructions[] {
  const etcdctl = etcdctlInPod(restore);
  const hosts = restore.members.map((member, index) => ({
    member: member.name,
    host: hostOf(member),
    steps: [
      {
        number: STAGE.stop,
        title: "Stop the API servers and etcd",
        why: "Only a running kubelet stops them: where the wait does not end, `systemctl start kubelet`.",
        commands: stopPods(["kube-apiserver", "etcd"]),
      },
      restoreStep(restore, member),
      startStep(restore, member),
      ...(index === 0 ? [compareStep(restore, etcdctl), masterLeasesStep(restore, etcdctl)] : []),
      ...API_SERVER_STEPS,
    ],
  }));
  return [...hosts, { member: null, host: "every other node", steps: WORKER_STEPS }];
}

/**
 * "existing": with "new", members whose directories are missing would serve an empty keyspace. A larger quota than is needed is kept; an argument may be in
 * quotes. What sed would not edit rightly is left as it is, and not started; nor is a pod that has another directory of the host than the restored one.
 */
function startStep({ members, quotaBackendBytes }: InstructedRestore, { dataDir }: InstructedMember): InstructionStep {
  const manifest = stoppedManifest("etcd");
  const flags = [`--initial-cluster=${sedText(initialCluster(members))}`, "--initial-cluster-state=existing", `--quota-backend-bytes='"$quota"'`];
  const insert = `s#${PROGRAM}#&${flags.map((flag) => `\\n\\1- ${flag}`).join("")}#`;
  const edited = `grep -q -- '- --initial-cluster-state=existing$' ${manifest} && [ "$(grep -v '^ *#' ${manifest} | grep -cE -- '${ANY_FLAG}')" = ${flags.length} ]`;
  return {
    number: STAGE.start,
    title: "Start etcd",
    commands: [
      `quota=$(sed -nE 's/^ *- +.?--?quota-backend-bytes=([0-9]+).*/\\1/p' ${manifest} | sort -n | tail -n 1); [ "\${quota:-0}" -ge ${quotaBackendBytes} ] || quota=${quotaBackendBytes}`,
      // One command, since what follows one that stops would be run all the same where the step is pasted.
      [
        orStop(
          canEdit(manifest),
          `${manifest} is left as it is: write the command as - etcd, and each of its flags as - --flag=value on one line, indented alike, the quota in decimal digits, then run this step again`,
        ),
        ...(dataDir === null ? [] : [mounts(manifest, dataDir)]),
        `sed -i -E -e '/${OWN_FLAG}/d' -e '${insert}' ${manifest}`,
        orStop(
          edited,
          `${manifest} must have --initial-cluster-state=existing, and each of --initial-cluster, --initial-cluster-state and --quota-backend-bytes once`,
        ),
        startPods(["etcd"]),
      ].join(" && "),
    ],
  };
}

/** Each in single quotes, as sed and grep take them with -E. */
const QUOTE = `["'\\'']?`;
const END = " *( #.*)?$";
const PROGRAM = `^( *)- +${QUOTE}etcd${QUOTE} *$`;
const FLAGS = "--?(initial-cluster|initial-cluster-state|quota-backend-bytes)";
/** One that is deleted, since it is the whole of its line: its quotes end there, and nothing is escaped. */
const OWN_FLAG = `^( *)- +("${ownFlag('[^\\"]')}"|'\\''${ownFlag("[^\\'\\'']")}'\\''|${ownFlag("[^\\\"'\\'' ]")})${END}`;
/** One that etcd would take, however it is written. */
const ANY_FLAG = `${FLAGS}([^a-z-]|$)`;
/** A letter or a dash of a flag may be written so (YAML 1.2, 5.7). */
const ESCAPED = '"[^"]*\\\\[xuU]';

/** etcd reads `0x200000000`, `010` and `8_589_934_592` as Go does, and -1 as no limit: such a quota would be taken for a smaller one. */
function ownFlag(character: string): string {
  return `--?((initial-cluster|initial-cluster-state)=${character}*|quota-backend-bytes=(0|[1-9][0-9]*))`;
}

/**
 * Whether there is one place to insert at, and nothing is left of what is replaced. A line with more indentation behind one of those lines would be the
 * rest of its text (YAML 1.2, 7.3.3), and a flag with another indentation than the program's may be a line of another text.
 */
function canEdit(manifest: string): string {
  const lines = `grep -vE '^ *(#|$)' ${manifest}`;
  const touched = `(${PROGRAM}|${OWN_FLAG})`;
  return [
    `[ "$(grep -cE '${PROGRAM}' ${manifest})" = 1 ]`,
    `! ${lines} | grep -vE '${OWN_FLAG}' | grep -qE -- '${ANY_FLAG}'`,
    `! ${lines} | grep -qE '${ESCAPED}'`,
    `[ "$(${lines} | grep -E '${touched}' | sed 's/-.*//' | sort -u | wc -l)" -eq 1 ]`,
    `! ${lines} | sed -nE -e '$!N' -e '/^( *)- [^\\n]*\\n\\1[[:blank:]]/P' -e D | grep -qE '${touched}'`,
  ].join(" && ");
}

/** Fails, and says what is the matter, unless `test` succeeds. */
function orStop(test: string, message: string): string {
  return `{ { ${test}; } || { ${shellCommand(["echo", `STOP: ${message}`])}; false; }; }`;
}

/** Fails, and says why, where the pod has another directory of the host, as kubeadm's configuration may say (`etcd.local.dataDir`). */
function mounts(manifest: string, dataDir: string): string {
  const path = dataDir.replaceAll(/[.[\]*+?(){}|^$\\]/g, "\\$&");
  const grep = `grep -qE ${shellCommand([`^ *path: ["']?${path}/?["']?$`])} ${manifest}`;
  return orStop(grep, `${manifest} mounts another directory than ${dataDir}, which was restored, and is left as it is`);
}

/** As the replacement of a `s#…#…#` in single quotes means it. */
function sedText(text: string): string {
  return text.replaceAll(/[\\&#]/g, "\\$&").replaceAll("'", "'\\''");
}

/** The pod has etcdctl, and its host's certificates for etcd at the same path. */
function etcdctlInPod({ members }: InstructedRestore): string {
  const client = `${PKI}/healthcheck-client`;
  const isSecure = members.some(({ clientUrls }) => clientUrls.some((url) => url.startsWith("https:")));
  const tls = isSecure ? ` ${shellCommand(["--cacert", `${PKI}/ca.crt`, "--cert", `${client}.crt`, "--key", `${client}.key`])}` : "";
  return `crictl exec $(crictl ps -q --name "^etcd$") etcdctl${tls}`;
}
