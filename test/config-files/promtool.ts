// The real promtool, over files that tests write.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { provisionPromtool } from "../../scripts/provision/promtool.ts";
import { type CommandResult, runCommand } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Runs `promtool <args> <file>`, whose content is given. JSON is YAML. */
export async function promtool(args: readonly string[], content: string): Promise<CommandResult> {
  await using directory = await temporaryDirectory("promtool");
  const file = join(directory.path, "file.yaml");
  await writeFile(file, content);
  return await runCommand(await provisionPromtool(), [...args, file], { limitMs: 120_000 });
}

/** What promtool says of each query as PromQL that it does not parse; it checks queries where they are those of rules. */
export async function queryFaults(queries: readonly string[]): Promise<string> {
  const rules = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
  const { exitCode, stdout, stderr } = await promtool(["check", "rules"], JSON.stringify({ groups: [{ name: "queries", rules }] }));
  return exitCode === 0 ? "" : `${stdout}${stderr}`;
}
