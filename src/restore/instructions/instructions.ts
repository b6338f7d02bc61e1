// From a plan to what an operator runs on each host, in order: pure, by distribution. What was tried how is said in docs/disaster.md.
import { kubeadmInstructions } from "./kubeadm.ts";
import { openshiftInstructions } from "./openshift.ts";
import { plainInstructions } from "./plain.ts";
import { K3S, RKE2, rancherInstructions } from "./rancher.ts";
import type { SnapshotRestore } from "./snapshot-restore.ts";
import { byName, type HostInstructions, type InstructedRestore } from "./steps.ts";
import { systemdInstructions } from "./systemd.ts";
import { talosInstructions } from "./talos.ts";

/** Those whose members' directories etcdsafe writes. */
export type MemberDistro = "kubeadm" | "systemd";
/** Those that restore a plain snapshot file by themselves. */
export type SnapshotDistro = "k3s" | "rke2" | "talos" | "openshift";
export type Distro = MemberDistro | SnapshotDistro;

export function isSnapshotDistro(distro: Distro): distro is SnapshotDistro {
  return distro !== "kubeadm" && distro !== "systemd";
}

export function memberInstructions(distro: MemberDistro | null, request: InstructedRestore): HostInstructions[] {
  const restore = { ...request, members: request.members.toSorted(byName) };
  if (distro === "kubeadm") return kubeadmInstructions(restore);
  return distro === "systemd" ? systemdInstructions(restore) : plainInstructions(restore);
}

export function snapshotInstructions(distro: SnapshotDistro, restore: SnapshotRestore): HostInstructions[] {
  switch (distro) {
    case "k3s":
      return rancherInstructions(K3S, restore);
    case "rke2":
      return rancherInstructions(RKE2, restore);
    case "talos":
      return talosInstructions(restore);
    case "openshift":
      return openshiftInstructions(restore);
  }
}
