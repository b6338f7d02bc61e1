// Rows of the table of options: what `verify` writes for pipelines.
import type { OptionSpec } from "./option.ts";

export const VERIFY_OPTIONS = {
  junit: {
    kind: "path",
    placeholder: "FILE",
    group: "What to do",
    commands: ["verify"],
    defaultText: "none",
    description:
      "Write the results as JUnit XML too, one test case for each backup, replacing the file. It is written whatever comes out, but not after a mistake in the arguments or the configuration: docs/ci.md.",
  },
} as const satisfies Record<string, OptionSpec>;
