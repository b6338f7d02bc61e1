// No distribution is named: etcd's own command line, and in words what etcdsafe cannot know.
import { etcdCommand, toBeAdded, WHY_EXISTING } from "./etcd-command.ts";
import { compareStep, ETCDCTL, etcdctlNeeds, restoreStep } from "./restore-step.ts";
import { type HostInstructions, hostOf, type InstructedRestore, STAGE } from "./steps.ts";

export function plainInstructions(restore: InstructedRestore): HostInstructions[] {
  const { members, quotaBackendBytes } = restore;
  return members
    .filter(({ dataDir }) => dataDir !== null)
    .map((member, index) => ({
      member: member.name,
      host: hostOf(member),
      steps: [
        {
          number: STAGE.stop,
          title: "Stop what writes to etcd, such as API servers, then etcd itself",
          why: "--distro kubeadm or systemd prints the commands.",
          commands: [],
        },
        restoreStep(restore, member),
        {
          number: STAGE.start,
          title: `Start etcd${toBeAdded(members)}`,
          why: WHY_EXISTING,
          commands: [etcdCommand(member, members, quotaBackendBytes)],
        },
        ...(index === 0 ? [compareStep(restore, ETCDCTL, etcdctlNeeds(restore))] : []),
        {
          number: STAGE.startApiServers,
          title: "Start what writes to etcd again, and afresh whatever has read from it before",
          why: "Of Kubernetes: API servers, then controller-manager, scheduler and all kubelets.",
          commands: [],
        },
      ],
    }));
}
