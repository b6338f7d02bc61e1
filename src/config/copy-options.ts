// Rows of the table of options: what `copy` takes besides how to reach stores.
import type { OptionSpec } from "./option.ts";

export const COPY_OPTIONS = {
  "from-config": {
    kind: "path",
    placeholder: "FILE",
    group: "Storage",
    commands: ["copy"],
    defaultText: "FROM is reached as TO is",
    description:
      "YAML file with the options that FROM is reached and opened by, where they are others than TO's; the configuration that its own backups are saved with will do. With it, none of the options about stores that are given otherwise count for FROM. identity-file, passphrase-file, trusted-key and as-of count from it unless they are given.",
  },
  last: {
    kind: "count",
    placeholder: "COUNT",
    atLeast: "1",
    group: "What to do",
    commands: ["copy"],
    defaultText: "all",
    description: "Copy only the newest so many backups of each cluster.",
  },
  since: {
    kind: "moment",
    placeholder: "TIME|DURATION",
    group: "What to do",
    commands: ["list", "copy", "verify"],
    defaultText: "all; verify: what is named",
    description:
      "Only backups that began at this time or later, or within so long before now: 2026-11-21T07:00:00Z, or 30d. verify: all of these, in place of an operand; that there are none is a failure.",
  },
} as const satisfies Record<string, OptionSpec>;
