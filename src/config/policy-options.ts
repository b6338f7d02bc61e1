// Rows of the table of options: what a restore changes of the data itself, and for which etcd.
import type { OptionSpec } from "./option.ts";

export const POLICY_OPTIONS = {
  "keep-alarms": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description: "Keep the alarms that the old members raised, which are dropped otherwise: NOSPACE then refuses writes until it is disarmed.",
  },
  "disable-auth": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description: "Switch authentication off, as for a lost root password. Users and roles stay, for `etcdctl auth enable`.",
  },
  "expire-leases": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description:
      "End all leases, and delete the keys that are bound to them, in one new revision. Without this, leases start again with their full time to live. The plan counts the keys, for which it reads all of the source.",
  },
  "keep-leased-keys": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description: "End all leases, and keep the keys that are bound to them, for good: each is written once more without its lease, all in one new revision.",
  },
  "target-version": {
    kind: "enum",
    choices: ["3.4", "3.5", "3.6", "3.7"],
    placeholder: "MINOR",
    group: "What to do",
    commands: ["restore"],
    defaultText: "the source's, or newer",
    description:
      "The etcd that is to run the members. For an older one than wrote the source, the storage and cluster versions that keep it from starting are left out.",
  },
  "ignore-wal": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["restore"],
    description: "Restore a member's database although the log (wal) beside it goes on after it: what only the log holds is lost.",
  },
} as const satisfies Record<string, OptionSpec>;
