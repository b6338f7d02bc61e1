// Whether etcd is stopped: what the options of a restore say of it, and what a plan prints of what was seen.
import type { Config } from "../config/config.ts";
import { STAGE } from "../restore/instructions/steps.ts";
import type { Liveness } from "../restore/liveness.ts";
import type { LivenessOptions } from "../restore/liveness-look.ts";
import { quorumText } from "../restore/liveness-quorum.ts";
import { livenessRefusal } from "../restore/liveness-refusal.ts";
import { table } from "./output.ts";

export function livenessOptions(config: Config): LivenessOptions {
  const [certPath, keyPath] = [config.get("cert"), config.get("key")];
  return {
    etcdIsStopped: config.get("etcd-is-stopped"),
    hostRoot: config.get("host-root"),
    certificate: { ...(certPath === undefined ? {} : { certPath }), ...(keyPath === undefined ? {} : { keyPath }) },
  };
}

/** All that was looked at. */
export function livenessText({ checks }: Liveness): string {
  return table(checks, [
    { title: "etcd", of: ({ outcome, allowedBy }) => (allowedBy === null ? outcome : `${outcome} (${allowedBy})`) },
    { title: "looked at, from this host", of: ({ what }) => what },
    { title: "seen", of: ({ detail }) => detail },
  ]);
}

/** What keeps a restore from being done as things are: short, where the plan's first step and its table of what was seen say the rest. */
export function livenessRefusals(liveness: Liveness): string[] {
  const refusal = livenessRefusal(liveness);
  if (refusal === undefined) return [];
  const { message, signs, hint } = refusal;
  const seen = signs.map(({ what }) => what).join(", ");
  const isStoppedByStep = liveness.verdict === "alive" && !signs.some(({ kind }) => kind === "started");
  if (!isStoppedByStep) return [`${message} (${seen}); restore refuses that. ${hint}`];
  const quorum = liveness.formerQuorum === null ? [] : [quorumText(liveness.formerQuorum)];
  return [...quorum, `etcd may be alive (${seen}); restore refuses that. Step ${STAGE.stop} stops it.`];
}
