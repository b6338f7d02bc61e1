// `etcdsafe repo policy`
import { EtcdsafeError } from "../../errors.ts";
import { openToWrite, type RepositoryFile } from "../../repository/repository.ts";
import { setRetention } from "../../repository/retention-of-repository.ts";
import { planRetention } from "../../retention/plan.ts";
import type { Invocation } from "../command.ts";
import { openForReading, openNamedStorage } from "../repository.ts";
import { policyOf, typedRules } from "../retention-policy.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, operands, output } = invocation;
  const verb = operands[0] ?? "show";
  if (verb !== "show" && verb !== "set") throw new EtcdsafeError("USAGE", `repo policy: ${JSON.stringify(verb)} is neither show nor set`);
  if (verb === "show") {
    const [typed] = typedRules(config);
    if (typed !== undefined)
      throw new EtcdsafeError("USAGE", `--${typed} changes a policy, and show only prints it`, { hint: "`etcdsafe repo policy set` changes it." });
    const { file } = await openForReading(invocation);
    output.print({ policy: file.policy }, () => policyText(file.policy));
    return 0;
  }
  const retention = policyOf(config);
  planRetention({ backups: [], segments: [] }, retention, invocation.runtime.now()); // What is wrong with it is said now, and not to the next CronJob.
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const file = await setRetention(repository, retention, invocation);
  output.print({ policy: file.policy }, () => policyText(file.policy));
  return 0;
}

function policyText({ retention, encryption }: RepositoryFile["policy"]): string {
  const rules = Object.entries(retention ?? {}).map(([name, value]) => `  ${name} ${Array.isArray(value) ? value.join(", ") : value}\n`);
  const recipients =
    encryption === undefined ? [] : [`  recipients ${encryption.recipients.join(", ") || "none"}\n`, `  required ${encryption.required ? "yes" : "no"}\n`];
  return [
    rules.length === 0 ? "No retention policy: `prune` takes the options that it is given.\n" : `retention\n${rules.join("")}`,
    recipients.length === 0 ? "" : `encryption\n${recipients.join("")}`,
  ].join("");
}
