// Rows of the table of options: which backups `list` shows, and what tells them apart.
import type { OptionSpec } from "./option.ts";

export const LIST_OPTIONS = {
  tag: {
    kind: "string",
    placeholder: "NAME=VALUE",
    several: true,
    // As docs/repository-format.md, "Manifest", says.
    pattern: {
      regex: /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}=[^\p{C},]{0,256}$/u,
      is: "NAME=VALUE, the name of up to 63 letters, digits, dots, hyphens, underscores and slashes, the value of up to 256 characters without commas",
    },
    group: "What to do",
    commands: ["save"],
    defaultText: "none",
    description:
      "A tag for the backup, which `list` and `show` tell, and by which retention can keep it. May be repeated, or be a list in the configuration file.",
  },
  limit: {
    kind: "count",
    placeholder: "COUNT",
    atLeast: "1",
    group: "What to do",
    commands: ["list"],
    defaultText: "all",
    description: "Show only the newest so many backups of each cluster.",
  },
  "no-cache": {
    kind: "boolean",
    default: "false",
    group: "What to do",
    commands: ["list"],
    description:
      "Read every manifest and verification from the repository. Otherwise what was read before, and is listed there in the same version, comes from `$XDG_CACHE_HOME/etcdsafe/catalogue` or `~/.cache/etcdsafe/catalogue`, which may be deleted at any time; with --trusted-key or --as-of it never does.",
  },
} as const satisfies Record<string, OptionSpec>;
