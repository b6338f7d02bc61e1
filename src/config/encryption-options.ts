// Rows of the table of options: to whom backups are encrypted, who opens them, who signs them and who is believed.
import type { CommandName, OptionSpec } from "./option.ts";

const WRITING: readonly CommandName[] = ["save", "copy", "repo rekey"];
const CHOOSING: readonly CommandName[] = [...WRITING, "repo init"];
const OPENING: readonly CommandName[] = ["verify", "restore", "copy", "repo rekey"];
const READING: readonly CommandName[] = ["save", "list", "show", "verify", "restore", "copy", "repo rekey"];
const BELIEVING: readonly CommandName[] = [...READING, "prune"];

/** A public key itself, and no path of a file with one. */
const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/;

export const ENCRYPTION_OPTIONS = {
  recipient: {
    kind: "list",
    placeholder: "AGE1…,…",
    group: "Encryption and signatures",
    commands: CHOOSING,
    defaultText: "those of the repository's policy",
    description:
      "Encrypt to these age recipients (X25519), as `age-keygen` prints them; may be repeated. The host that saves needs no secret key. repo init: put them into the repository's policy, for all who save there.",
  },
  "recipients-file": {
    kind: "path",
    placeholder: "FILE",
    group: "Encryption and signatures",
    commands: CHOOSING,
    description: "The same from a file: a recipient on each line, and comments behind #.",
  },
  "require-encryption": {
    kind: "boolean",
    default: "false",
    group: "Encryption and signatures",
    commands: ["repo init"],
    description: "Have the repository refuse backups that are not encrypted, whoever saves.",
  },
  "identity-file": {
    kind: "list",
    paths: {},
    placeholder: "FILE,…",
    group: "Encryption and signatures",
    commands: ["save", ...OPENING],
    description: "Files of age identities, as `age-keygen` writes them, to open backups with; may be repeated. save: only for what --verify reads back.",
  },
  "passphrase-file": {
    kind: "secret-file",
    placeholder: "FILE",
    group: "Encryption and signatures",
    commands: ["save", ...OPENING],
    description:
      "File that holds a passphrase; a newline at its end is not part of it. save: encrypt with it, in place of recipients, which takes 256 MiB of memory for a second. Else: open backups with it.",
  },
  "new-passphrase-file": {
    kind: "secret-file",
    placeholder: "FILE",
    group: "Encryption and signatures",
    commands: ["copy", "repo rekey"],
    description: "File that holds the passphrase to encrypt with, in place of recipients.",
  },
  "new-key": {
    kind: "boolean",
    default: "false",
    group: "Encryption and signatures",
    commands: ["repo rekey"],
    description: "Encrypt what is stored again with a key that nobody has seen, instead of only saying anew who can open it.",
  },
  unencrypted: {
    kind: "boolean",
    default: "false",
    group: "Encryption and signatures",
    commands: ["save", "copy"],
    description:
      "Store backups unencrypted outside this host too: snapshots hold every Secret of the cluster. Has to be typed: it counts neither in the environment nor in a file.",
  },
  "sign-key-file": {
    kind: "path",
    placeholder: "FILE",
    group: "Encryption and signatures",
    commands: WRITING,
    description:
      "Ed25519 private key to sign backups with, PEM, as `openssl genpkey -algorithm ed25519` writes it. copy: those that it encrypts anew; others keep the signature that they have.",
  },
  unsigned: {
    kind: "boolean",
    default: "false",
    group: "Encryption and signatures",
    commands: ["copy", "repo rekey"],
    description:
      "Let backups lose their signatures: signed ones are else not stored again without --sign-key-file, and what is there without its signature is not taken for copied. Has to be typed: it counts neither in the environment nor in a file.",
  },
  "sign-unproven": {
    kind: "boolean",
    default: "false",
    group: "Encryption and signatures",
    commands: ["copy", "repo rekey"],
    description:
      "Sign also what nobody who is trusted has signed, with --trusted-key or with the same key: you vouch for it then. Has to be typed: it counts neither in the environment nor in a file.",
  },
  "trusted-key": {
    kind: "list",
    paths: { but: BASE64_KEY },
    placeholder: "FILE|KEY,…",
    group: "Encryption and signatures",
    commands: BELIEVING,
    description:
      "Believe only backups that one of these keys has signed: others are listed as unreadable, are nothing to restore, fail a verification, and are left alone by retention, for which they count as none. Ed25519 public keys: PEM files, or 32 bytes in base64; may be repeated. Without any, nothing proves who made a backup.",
  },
} as const satisfies Record<string, OptionSpec>;
