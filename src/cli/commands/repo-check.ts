// `etcdsafe repo check`
import { type CheckResult, checkRepository } from "../../maintenance/check.ts";
import type { Invocation } from "../command.ts";
import { CORRUPT } from "../exit-codes.ts";
import { formatSize } from "../format.ts";
import { openForReading } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const repository = await openForReading(invocation);
  const result = await checkRepository(repository, invocation);
  invocation.output.print({ location: repository.storage.location, ...result }, () => checkText(result));
  return result.findings.some(({ severity }) => severity === "error") ? CORRUPT : 0;
}

function checkText({ clusters, backups, objects, storedSizeBytes, findings }: CheckResult): string {
  const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  const lines = findings.map(({ severity, key, text }) => `${severity === "error" ? "ERROR  " : "warning"}  ${key}: ${text}`);
  const what = `${objects} objects (${formatSize(storedSizeBytes)}), ${backups} backups of ${clusters} clusters`;
  return [...lines, `${what}: ${count("error")} errors, ${count("warning")} warnings. What is in the backups, \`etcdsafe verify\` tells.`].join("\n");
}
