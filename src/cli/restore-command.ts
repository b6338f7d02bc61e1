// The command line that restores one member on its own host: what an operator can copy when several runs have to share a token.
import type { OptionName } from "../config/options.ts";
import type { MemberSpec } from "../etcd-files/membership/initial-cluster.ts";
import { shellCommand } from "../restore/instructions/shell-command.ts";
import type { SourceFacts } from "../restore/source.ts";
import type { Invocation } from "./command.ts";
import { absoluteLocation, storeFlags } from "./plan-commands.ts";

/** Members of one cluster hold the same bytes, so they are all restored by the same policies. */
const POLICIES: readonly OptionName[] = ["keep-alarms", "disable-auth", "expire-leases", "keep-leased-keys", "target-version"];
/** Options of this run that every member's run needs as well. */
const SHARED: readonly OptionName[] = [
  "members",
  "data-dir",
  "wal-dir",
  "replace",
  "owner",
  "skip-hash-check",
  "ignore-wal",
  "copy",
  "host-root",
  "cert",
  "key",
  "identity-file",
  "passphrase-file",
  "trusted-key",
  ...POLICIES,
];

export function restoreCommand(
  { config }: Invocation,
  source: SourceFacts,
  cluster: readonly MemberSpec[],
  { member, token, bumpRevision }: { readonly member: string; readonly token: string; readonly bumpRevision: string },
): string {
  // The id, not `latest`: which backup is the newest may change between two hosts' runs.
  const words = ["etcdsafe", "restore", source.backupId ?? source.location];
  if (source.backupId !== null)
    words.push("--repository", absoluteLocation(config.get("repository") ?? ""), "--cluster", config.get("cluster"), ...storeFlags(config));
  for (const name of SHARED) {
    const value = config.get(name);
    if (config.origin(name).kind === "default" || value === undefined) continue;
    if (typeof value === "boolean") words.push(value ? `--${name}` : `--${name}=false`);
    else words.push(`--${name}`, String(value));
  }
  words.push("--name", member);
  const peerUrls = cluster.find(({ name }) => name === member)?.peerUrls ?? [];
  if (config.get("members") === undefined) {
    words.push("--initial-advertise-peer-urls", peerUrls.join(","));
    words.push("--initial-cluster", cluster.flatMap(({ name, peerUrls: urls }) => urls.map((url) => `${name}=${url}`)).join(","));
  }
  return shellCommand([...words, "--bump-revision", bumpRevision, "--initial-cluster-token", token]);
}
