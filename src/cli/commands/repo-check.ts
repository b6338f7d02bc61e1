// `etcdsafe repo check`
import { type CheckResult, checkRepository } from "../../maintenance/check.ts";
import type { Invocation } from "../command.ts";
import { CORRUPT } from "../exit-codes.ts";
import { formatCount, formatSize } from "../format.ts";
import { openForJudging } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const repository = await openForJudging(invocation);
  const result = await checkRepository(repository, invocation);
  invocation.output.print({ location: repository.storage.location, ...result }, () => checkText(result));
  return result.findings.some(({ severity }) => severity === "error") ? CORRUPT : 0;
}

function checkText({ clusters, backups, objects, storedSizeBytes, findings }: CheckResult): string {
  const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  const lines = findings.map(({ severity, key, text }) => `${severity === "error" ? "ERROR  " : "warning"}  ${key}: ${text}`);
  const what = `${formatCount(objects, "object")} (${formatSize(storedSizeBytes)}), ${formatCount(backups, "backup")} of ${formatCount(clusters, "cluster")}`;
  return [
    ...lines,
    `${what}: ${formatCount(count("error"), "error")}, ${formatCount(count("warning"), "warning")}. What is in the backups, \`etcdsafe verify\` tells.`,
  ].join("\n");
}
