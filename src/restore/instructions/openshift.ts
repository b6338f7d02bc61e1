// OpenShift 4: its own cluster-restore.sh brings one control-plane host back from a snapshot and the static pods' resources; its operators make the others new.
import { basename, dirname } from "node:path";
import { compareInUse, SAME_REVISION } from "./restore-step.ts";
import { shellCommand } from "./shell-command.ts";
import { adoptStep, EVIDENCE_NOTE, quotaNote, type SnapshotRestore } from "./snapshot-restore.ts";
import { type HostInstructions, waitFor } from "./steps.ts";

/** cluster-restore.sh looks for one such file in the directory it is given. */
const SNAPSHOT_NAME = /^snapshot_.*\.db$/;
const PODS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/** Both as Red Hat's pages on restoring to a previous cluster state have them, since 4.12. */
const OVN =
  "With OVN-Kubernetes, its databases on each node are made new next (/var/lib/ovn-ic/etc/*.db, in releases before 4.14 /var/lib/ovn/etc/*.db, Open vSwitch and the ovnkube pods): " +
  "by the release's page, which has the commands.";
const KEEPALIVED =
  "Where /etc/kubernetes/manifests/keepalived.yaml is there (bare metal and the like), a host that is not to come back must not keep the API's virtual address: move that file away " +
  "too, wait until `crictl ps --name keepalived` shows none, and remove the address that `ip -o address` still shows.";
const OPERATORS = ["kubeapiserver", "kubecontrollermanager", "kubescheduler"];

export function openshiftInstructions(restore: SnapshotRestore): HostInstructions[] {
  const directory = dirname(restore.file);
  const name = basename(restore.file);
  const named = SNAPSHOT_NAME.test(name) ? [] : [shellCommand(["mv", restore.file, `${directory}/snapshot_${restore.time}.db`])];
  const redeploy = (operator: string) => `oc patch ${operator} cluster --type=merge -p '{"spec":{"forceRedeploymentReason":"restored-${restore.time}"}}'`;
  const kubelets = { number: 4, title: "Restart the kubelets", why: OVN, commands: ["systemctl restart kubelet"] };
  return [
    {
      member: null,
      host: "the recovery host: one control-plane host",
      steps: [
        {
          number: 2,
          title: "Write the snapshot file",
          why:
            `cluster-restore.sh wants it as snapshot_<time>.db beside static_kuberesources_<time>.tar.gz, which cluster-backup.sh wrote on a host of this cluster: put that into ` +
            `${directory}. The backup must be of the same z-stream release as the cluster.${quotaNote(restore, 8, "`spec.backendQuotaGiB` of the etcd operator")} ${EVIDENCE_NOTE}`,
          commands: [restore.restoreCommand, ...named],
        },
        { number: 3, title: "Restore", commands: [shellCommand(["/usr/local/bin/cluster-restore.sh", directory])] },
        kubelets,
        {
          number: 5,
          title: "Let the operators make the other members and all control-plane pods new",
          why:
            "With cluster-admin rights. Approve pending certificate requests first. After each forced redeployment wait until the operator's condition NodeInstallerProgressing " +
            "has the reason AllNodesAtLatestRevision. The quorum guard is off while there is one member only, and on again at the end.",
          commands: [
            "oc get csr",
            `oc patch etcd/cluster --type=merge -p '{"spec":{"unsupportedConfigOverrides":{"useUnsupportedUnsafeNonHANonProductionUnstableEtcd":true}}}'`,
            redeploy("etcd"),
            ...OPERATORS.map(redeploy),
            `oc patch etcd/cluster --type=merge -p '{"spec":{"unsupportedConfigOverrides":null}}'`,
          ],
        },
        {
          number: 6,
          title: "Compare the members",
          why: `All control-plane hosts have a member. ${SAME_REVISION} OpenShift has written since, so it is not the one that step 2 printed.`,
          commands: compareInUse("oc rsh -n openshift-etcd -c etcdctl $(oc get pods -n openshift-etcd -l etcd=true -o name | head -n 1) etcdctl"),
        },
        ...adoptStep(restore, 7, "OpenShift"),
      ],
    },
    {
      member: null,
      host: "every other control-plane host",
      steps: [
        {
          number: 1,
          title: "Stop etcd and what uses it, and put its data away",
          why: KEEPALIVED,
          commands: [
            `mkdir -p /root/stopped-${restore.time}`,
            `for pod in ${PODS.join(" ")}; do [ ! -e /etc/kubernetes/manifests/$pod-pod.yaml ] || mv /etc/kubernetes/manifests/$pod-pod.yaml /root/stopped-${restore.time}/; done`,
            waitFor(`left=$(crictl ps -q --name "^(${PODS.join("|")})$") && [ -z "$left" ]`),
            `[ ! -e /var/lib/etcd ] || mv /var/lib/etcd /root/stopped-${restore.time}/`,
          ],
        },
        kubelets,
      ],
    },
    { member: null, host: "every other node", steps: [kubelets] },
  ];
}
