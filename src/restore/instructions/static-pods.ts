// Stopping and starting what a kubelet runs from manifests: moved out of its directory, not edited there, where a half-written file would count.
import { type InstructionStep, STAGE, waitFor } from "./steps.ts";

const MANIFESTS = "/etc/kubernetes/manifests";
const STOPPED = stoppedDirectory(MANIFESTS);
const CLIENTS = ["kube-controller-manager", "kube-scheduler"];

/** Outside the directory that the kubelet watches, and on the same file system. */
export function stoppedDirectory(manifests: string): string {
  return `${manifests}-stopped`;
}

/** The manifest while its pod is stopped. */
export function stoppedManifest(pod: string): string {
  return `${STOPPED}/${pod}.yaml`;
}

/** Moves the manifests out and waits until no container of theirs runs. Running it again does no harm. */
export function stopPods(pods: readonly string[]): string[] {
  const all = [...pods, ...CLIENTS];
  return [
    `mkdir -p ${STOPPED}`,
    `for pod in ${all.join(" ")}; do [ ! -e ${MANIFESTS}/$pod.yaml ] || mv ${MANIFESTS}/$pod.yaml ${STOPPED}/; done`,
    waitFor(`left=$(crictl ps -q --name "^(${all.join("|")})$") && [ -z "$left" ]`),
  ];
}

export function startPods(pods: readonly string[]): string {
  return `mv ${pods.map(stoppedManifest).join(" ")} ${MANIFESTS}/`;
}

/** The last two steps on a node with an API server. */
export const API_SERVER_STEPS: readonly InstructionStep[] = [
  {
    number: STAGE.startApiServers,
    title: "Start the API servers",
    commands: [startPods(["kube-apiserver"]), waitFor("kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw=/readyz")],
  },
  {
    number: STAGE.restartClients,
    title: "Start controller-manager and scheduler afresh, restart the kubelets",
    why: "All of them hold what they have seen before the restore.",
    commands: [startPods(CLIENTS), "systemctl restart kubelet"],
  },
];

/** The last step on a node without one. */
export const WORKER_STEPS: readonly InstructionStep[] = [
  { number: STAGE.restartClients, title: "Restart the kubelets", commands: ["systemctl restart kubelet"] },
];
