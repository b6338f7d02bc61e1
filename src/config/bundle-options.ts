// Rows of the table of options: files of the host that are saved beside a snapshot, and unpacked beside a restore.
import type { OptionSpec } from "./option.ts";

export const BUNDLE_OPTIONS = {
  include: {
    kind: "list",
    placeholder: "PATH[=NAME],…",
    group: "What to do",
    commands: ["save"],
    description:
      "Files and directories of this host to store beside the snapshot, such as certificates and configuration, under their own paths or NAME; may be repeated. Paths are those that this process sees, also with --host-root. What is not there is an error. Symbolic links are stored as links.",
  },
  "include-preset": {
    kind: "list",
    placeholder: "kubeadm|k3s|rke2|systemd",
    group: "What to do",
    commands: ["save"],
    description:
      "The same for all that the distribution keeps on a host of the control plane: PKI, static pods, configuration of encryption at rest, tokens, etcd's configuration and flags. What is not there is left out.",
  },
  "allow-plaintext-secrets": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["save"],
    description: "Store private keys, tokens and other secrets of the host although the backup is not encrypted.",
  },
  "bundle-dir": {
    kind: "path",
    placeholder: "DIR",
    group: "What to do",
    commands: ["restore"],
    description:
      "Unpack the files that were saved beside the snapshot into this directory, which must be empty or absent; nothing is put where the host has it. Owners are restored by root alone.",
  },
} as const satisfies Record<string, OptionSpec>;
