// The steps that are the same wherever the members' directories are written by etcdsafe itself.
import { endpointsOf, type InstructedMember, type InstructedRestore, type InstructionStep, STAGE, waitFor } from "./steps.ts";

/** One command for the host: for its own member, or for all where one run writes them. */
export function restoreStep({ restoreCommand, perHost }: InstructedRestore, { name }: InstructedMember): InstructionStep {
  return { number: STAGE.restore, title: "Restore", commands: [restoreCommand(perHost ? name : undefined)] };
}

/** On one host, once all members run. `etcdctl` is how it is called there; `needs`: what it has to be told that etcdsafe does not know. */
export function compareStep({ members, compareRevision }: InstructedRestore, etcdctl: string, needs = ""): InstructionStep {
  const call = `${etcdctl} --endpoints ${endpointsOf(members)}`;
  const revision = compareRevision === null ? "" : ` --rev ${compareRevision}`;
  return {
    number: STAGE.compare,
    title: "Compare the members",
    why: `Every line must show the same hash, the one that step ${STAGE.restore} printed. If not, start nothing else: a member was restored from something else.${needs}`,
    commands: [waitFor(`${call} endpoint health`), `${call} endpoint hashkv${revision}`],
  };
}

/**
 * For a cluster that is written to meanwhile: members are asked one after the other, so that only the hash of one and the same revision can be compared.
 * `etcdctl` is how it is called there, with what reaches one member.
 */
export function compareInUse(etcdctl: string): string[] {
  return [
    `revision=$(${etcdctl} endpoint status --cluster -w json | grep -o '"revision":[0-9]*' | cut -d: -f2 | sort -n | head -n 1)`,
    `[ -n "$revision" ] && ${etcdctl} endpoint hashkv --cluster --rev $revision`,
  ];
}

/** For where compareInUse is printed. */
export const SAME_REVISION =
  "Every line must show the same hash, that of the smallest revision of them all; if it says that this was compacted meanwhile, or lines differ, run both again.";

/** Without the variables of these flags: etcdctl refuses a flag whose variable is set as well (etcdctl/ctlv3/command/global.go), and operators have them exported. */
export function etcdctlWithout(flags: readonly string[]): string {
  return `env ${flags.map((flag) => `-u ETCDCTL_${flag.replace(/^--/, "").toUpperCase()}`).join(" ")} etcdctl`;
}

/** An etcdctl on the host itself: it takes the rest from the environment. */
export const ETCDCTL = etcdctlWithout(["--endpoints"]);

/** For an etcdctl on the host itself: what it takes from the environment. */
export function etcdctlNeeds({ members, authEnabled }: InstructedRestore): string {
  const isSecure = members.some(({ clientUrls }) => clientUrls.some((url) => url.startsWith("https:")));
  const variables = [...(isSecure ? ["ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY"] : []), ...(authEnabled ? ["ETCDCTL_USER (root:password)"] : [])];
  return variables.length === 0 ? "" : ` etcdctl needs ${variables.join(", and ")}: export them first.`;
}

/** While no API server runs: one that is gone for good would stay in the endpoints of `kubernetes`. */
export function masterLeasesStep({ members }: InstructedRestore, etcdctl: string): InstructionStep {
  return {
    number: STAGE.compare,
    title: "Forget the API servers of before",
    why: "Each that starts writes its lease again.",
    commands: [`${etcdctl} --endpoints ${endpointsOf(members)} del --prefix /registry/masterleases/`],
  };
}
