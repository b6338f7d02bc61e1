// `etcdsafe version`
import type { Invocation } from "../command.ts";
import { version } from "../version.ts";

export async function run({ output }: Invocation): Promise<number> {
  const document = { etcdsafe: version(), node: process.versions.node };
  output.print(document, () => document.etcdsafe);
  return 0;
}
