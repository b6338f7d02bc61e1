// `etcdsafe inspect FILE|DIRECTORY`: that something is damaged is an answer here, and no failure.
import { inspectPath } from "../../inspect/inspect.ts";
import type { Invocation } from "../command.ts";
import { inspectionText } from "../inspection-text.ts";
import { requirePath } from "../operand.ts";

export async function run(invocation: Invocation): Promise<number> {
  await requirePath(invocation.operands[0]!);
  const inspection = await inspectPath(invocation.operands[0]!, invocation);
  invocation.output.print(inspection, () => inspectionText(inspection));
  return 0;
}
