// `etcdsafe prune`
import { openToWrite } from "../../repository/repository.ts";
import type { Invocation } from "../command.ts";
import { PARTLY_DONE } from "../exit-codes.ts";
import { planDocument, plannedPrune, pruned } from "../prune.ts";
import { planText, resultText } from "../prune-text.ts";
import { openForJudging, openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output } = invocation;
  if (config.get("plan") || !config.get("yes")) {
    const planned = await plannedPrune(invocation, await openForJudging(invocation));
    const next = planned.plan.remove.length === 0 && planned.plan.segments.remove.length === 0 ? "" : "Nothing was removed: --yes does that.\n";
    output.print({ plan: planDocument(planned), result: null }, () => `${planText(planned)}${next}`);
    return 0;
  }
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const { planned, result } = await pruned(invocation, repository);
  output.print({ plan: planDocument(planned), result }, () => resultText(result));
  invocation.record?.notePrune(result);
  return result.failures.length > 0 ? PARTLY_DONE : 0;
}
