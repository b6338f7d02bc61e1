// Talos: nothing runs on the nodes but its API, so all is done from where talosctl is.
import { shellCommand } from "./shell-command.ts";
import { adoptStep, quotaNote, type SnapshotRestore } from "./snapshot-restore.ts";
import { type HostInstructions, waitFor } from "./steps.ts";

/** A reboot that wipes a partition takes minutes. */
const BOOT_LIMIT_SECONDS = 900;
/** By what it lists: talosctl may end well where a directory is missing. */
const HAS_MEMBER = "talosctl -n $node ls /var/lib/etcd/member 2>/dev/null | grep -qw snap";

export function talosInstructions(restore: SnapshotRestore): HostInstructions[] {
  const copy = `./etcd-$node-${restore.time}`;
  return [
    {
      member: null,
      host: "the machine that has talosctl",
      steps: [
        {
          number: 1,
          title: "Name the control-plane nodes",
          why: "In `bash` or `sh`, and all that follows in the same one: zsh, the shell of macOS, takes all the addresses for one.",
          commands: ['export FIRST="<address of the node to restore on>"', 'ALL="$FIRST <addresses of the other control-plane nodes>"'],
        },
        {
          number: 2,
          title: "Keep what each has",
          why: `As ${copy}, once that is whole; until then it is called ….part. A node that does not answer, or has no member, is passed over. Where another one is not kept, set that right and run this again.`,
          commands: [
            `for node in $ALL; do [ -e ${copy} ] || { talosctl -n $node cp /var/lib/etcd ${copy}.part && [ -n "$(find ${copy}.part -path '*/snap/db' -size +0)" ] && mv ${copy}.part ${copy}; } || echo "$node: NOT KEPT"; done`,
          ],
        },
        {
          number: 3,
          title: "Write the snapshot file",
          why: "Its revision lies beyond all that this plan has counted. What step 2 has kept shows more: plan again with it as --evidence, and go on with step 3 of that plan.",
          commands: [restore.restoreCommand],
        },
        {
          number: 4,
          title: "Stop etcd and the API servers: wipe what the nodes hold, but not their configuration",
          why: `All of them, so that no old member is left; but none while one with a member is not kept (to do without its copy, \`mkdir\` that). A node with new disks, or one that waits for its bootstrap, needs none of it, and one that does not answer must not come back with its old member.${quotaNote(restore, 2, `\`cluster.etcd.extraArgs.quota-backend-bytes: "${restore.quotaBackendBytes}"\` in the nodes' machine configuration`)}`,
          commands: [
            `stop=; for node in $ALL; do if [ -e ${copy} ]; then :; elif ${HAS_MEMBER}; then echo "STOP: $node has a member, and step 2 has not kept it; nothing is wiped"; stop=1; else echo "$node: passed over, since it does not answer or has no member"; fi; done; [ -z "$stop" ]`,
            `[ -z "$stop" ] && for node in $ALL; do [ ! -e ${copy} ] || talosctl -n $node reset --graceful=false --reboot --system-labels-to-wipe=EPHEMERAL; done`,
            `[ -z "$stop" ] && ${waitFor("talosctl -n $FIRST service etcd | grep -q Preparing", BOOT_LIMIT_SECONDS)}`,
          ],
        },
        {
          number: 5,
          title: "Restore on the first; the others join by themselves",
          commands: [`talosctl -n $FIRST bootstrap ${shellCommand([`--recover-from=${restore.file}`])}`],
        },
        {
          number: 6,
          title: "Look at the members and the nodes",
          why: "Every control-plane node is a member, none more. Kubelets, controller-manager and scheduler have started afresh with the nodes; restart the kubelets of the workers.",
          commands: [
            "talosctl -n $FIRST etcd members",
            "talosctl -n $FIRST health",
            'talosctl -n "<addresses of the workers, with commas>" service kubelet restart',
          ],
        },
        ...adoptStep(restore, 7, "Talos"),
      ],
    },
  ];
}
