// docs/errors.md: the table of src/errors.ts, by exit code.
import { EXIT_CODES } from "../../src/cli/exit-codes.ts";
import { ERRORS } from "../../src/errors.ts";
import { code, GENERATED, markdownTable } from "./markdown.ts";

const INTRODUCTION = `# Errors

Every error has a code that never changes, a message that says what failed, on what and why, and a hint at what to do next:

\`\`\`
error: https://10.0.0.1:2379: cannot connect: connect ECONNREFUSED 10.0.0.1:2379
hint: Check --endpoints, the network, and that etcd runs.
code: ETCD_UNREACHABLE (exit code 4, trying again may help)
\`\`\`

They go to standard error. With \`-o json\` or \`--log-format json\` an error is one line of JSON, the last one: \`time\`, \`level\` (\`error\`), \`message\`, \`hint\`,
\`code\`, \`exitCode\`, \`retryable\`, and \`offset\` where the error is about a byte of a file. New fields and new codes may appear: a reader ignores the former and
treats the latter by their exit code.

_Retry_ says whether the same call may succeed later without anyone changing anything.`;

export function errorsPage(): string {
  const sections = EXIT_CODES.flatMap(([exit, meaning]) => {
    const rows = Object.entries(ERRORS).flatMap(([name, kind]) =>
      exit.split(", ").includes(String(kind.exit)) ? [[code(name), kind.retryable ? "yes" : "", kind.hint]] : [],
    );
    if (rows.length === 0) return [];
    return [`## Exit code ${exit}: ${meaning}\n\n${markdownTable(["Code", "Retry", "What to do"], rows)}`];
  });
  return `${[GENERATED, INTRODUCTION, ...sections].join("\n\n")}\n`;
}
