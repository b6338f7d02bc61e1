// The refusal of a restore where etcd may be alive: all that was seen, and the way out for each kind of sign.
import { dirname } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import { stoppedDirectory } from "./instructions/static-pods.ts";
import type { Liveness, LivenessCheck } from "./liveness.ts";
import { quorumText } from "./liveness-quorum.ts";

/** Throws ETCD_MAY_BE_ALIVE unless the verdict is that it is stopped. */
export function refuseLiveness(liveness: Liveness): void {
  const refusal = livenessRefusal(liveness);
  if (refusal === undefined) return;
  const seen = refusal.signs.map(({ what, detail }) => `  ${what}: ${detail}`);
  throw new EtcdsafeError("ETCD_MAY_BE_ALIVE", `${refusal.message}:\n${seen.join("\n")}`, { hint: `${refusal.hint} Nothing was put in place.` });
}

export interface LivenessRefusal {
  readonly message: string;
  readonly signs: readonly LivenessCheck[];
  readonly hint: string;
}

/** Why a restore would be refused; undefined where it would not. Pure. */
export function livenessRefusal({ checks, verdict, formerQuorum }: Liveness): LivenessRefusal | undefined {
  if (verdict === "stopped") return undefined;
  const signs = checks.filter(({ outcome, allowedBy }) => outcome === verdict && allowedBy === null);
  const message = signs.some(({ kind }) => kind === "started")
    ? "a member of the plan has run since it was restored, and restoring it again would take back writes that the new cluster has acknowledged"
    : verdict === "alive"
      ? "etcd may be alive, and a restore beside it would leave two clusters, or none"
      : "whether etcd is stopped cannot be found out";
  return { message, signs, hint: [...(formerQuorum === null ? [] : [quorumText(formerQuorum)]), wayOut(signs, verdict)].join(" ") };
}

function wayOut(open: readonly LivenessCheck[], verdict: Liveness["verdict"]): string {
  if (verdict === "unknown")
    return "Look for yourself that no etcd runs on these files, and say so with --etcd-is-stopped. The program flock, of util-linux, can tell.";
  const whats = (kind: LivenessCheck["kind"]) =>
    open
      .filter((check) => check.kind === kind)
      .map(({ what }) => what)
      .join(" ");
  const has = (kind: LivenessCheck["kind"]) => open.some((check) => check.kind === kind);
  const hints: string[] = [];
  if (has("lock")) hints.push("Stop the etcd that has these files open: no option goes past a lock.");
  if (has("started"))
    hints.push(
      "While the others have their quorum, a member that is broken is replaced, not restored: `etcdctl member remove` and `etcdctl member add` as above, then start it with an empty data directory and --initial-cluster-state existing. If the quorum is lost, stop all members and make a new plan.",
    );
  const manifest = open.find(({ kind }) => kind === "manifest");
  if (manifest !== undefined) {
    const aside = stoppedDirectory(dirname(manifest.what));
    hints.push(`Move the manifest out of the directory (mkdir -p ${aside} && mv ${whats("manifest")} ${aside}/), and wait until the container is gone.`);
  }
  if (has("unit")) hints.push(`Stop the unit (systemctl stop ${whats("unit")}).`);
  if (has("url"))
    hints.push(
      "Stop the members of the former cluster, on every host. Where it shall live on and this one is a copy: --copy, with URLs and directories of its own. Members that were restored and started already say so behind TLS as well, with --cert and --key of a client certificate (kubeadm: /etc/kubernetes/pki/etcd/peer.crt and peer.key).",
    );
  const hasFact = has("lock") || has("started");
  if (open.some(({ kind }) => kind !== "lock" && kind !== "started"))
    hints.push(`Where you know better than ${hasFact ? "the other signs" : "these signs"}: --etcd-is-stopped.`);
  return hints.join(" ");
}
