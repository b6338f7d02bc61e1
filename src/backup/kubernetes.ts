// What a backup of a Kubernetes cluster's etcd lacks to bring that cluster back. Pure.
import type { ContentKind } from "../bundle/content.ts";
import type { KubernetesFacts } from "../etcd-files/mvcc/kubernetes-values.ts";

/** `kinds`: of the files that are stored beside the snapshot; undefined where there are none. */
export function kubernetesWarnings({ objects, encrypted, providers }: KubernetesFacts, kinds: readonly ContentKind[] | undefined): string[] {
  if (objects + encrypted === 0) return [];
  const has = (kind: ContentKind) => kinds?.includes(kind) === true;
  const how = "add --include-preset kubeadm, k3s, rke2 or systemd on a host of the control plane, or --include PATH; or keep them elsewhere";
  const lacking: string[] = [];
  if (!has("certificate") || !has("private-key"))
    lacking.push(
      `this is the etcd of a Kubernetes cluster, and its certificates and keys are not in the backup: without them the cluster cannot be brought back; ${how}`,
    );
  if (encrypted > 0 && !has("encryption-configuration"))
    lacking.push(
      `${encrypted} values are encrypted at rest (${providers.join(", ")}), and the configuration with --encryption-provider-config's keys is not in the backup: without it nobody can read them; ${how}`,
    );
  return lacking;
}
