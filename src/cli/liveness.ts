// Whether etcd is stopped: what the options of a restore say of it, and what a plan prints of what was seen.
import type { Config } from "../config/config.ts";
import type { Liveness } from "../restore/liveness.ts";
import type { LivenessOptions } from "../restore/liveness-look.ts";
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

/** What keeps a restore from being done as things are. */
export function livenessRefusals(liveness: Liveness): string[] {
  const refusal = livenessRefusal(liveness);
  return refusal === undefined ? [] : [`${refusal.message} (${refusal.signs.map(({ what }) => what).join(", ")}); restore refuses that. ${refusal.hint}`];
}
