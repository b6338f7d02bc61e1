// The steps that are the same wherever the members' directories are written by etcdsafe itself.
import { endpointsOf, type InstructedMember, type InstructedRestore, type InstructionStep, STAGE, waitFor } from "./steps.ts";

/** One command for the host: for its own member, or for all where one run writes them. */
export function restoreStep({ restoreCommand, perHost }: InstructedRestore, { name }: InstructedMember): InstructionStep {
  return { number: STAGE.restore, title: "Restore", commands: [restoreCommand(perHost ? name : undefined)] };
}

/** On one host, once all members run. `etcdctl` is how it is called there. */
export function compareStep({ members, compareRevision }: InstructedRestore, etcdctl: string): InstructionStep {
  const call = `${etcdctl} --endpoints ${endpointsOf(members)}`;
  return {
    number: STAGE.compare,
    title: "Compare the members",
    why: `Every line must show the same hash, the one that step ${STAGE.restore} printed. If not, start nothing else: a member was restored from something else.`,
    commands: [waitFor(`${call} endpoint health`), `${call} endpoint hashkv --rev ${compareRevision}`],
  };
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
