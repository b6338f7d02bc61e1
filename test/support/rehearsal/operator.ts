// Somebody who has nothing but the text that `restore --plan` prints: reads which commands to run where, in which order, and runs them.
import type { Host } from "./hosts.ts";

interface PrintedCommand {
  readonly step: number;
  /** Names of hosts as printed, without their addresses. */
  readonly hosts: readonly string[];
  readonly command: string;
}

/** The command that saves the plan, which the text gives before the steps. */
export function saveCommandIn(text: string): string {
  const command = /^First save this plan[^\n]*\n +(.*)$/m.exec(text)?.[1];
  if (command === undefined) throw new Error(`no command saves the plan:\n${text}`);
  return command;
}

function commandsIn(text: string): PrintedCommand[] {
  const commands: PrintedCommand[] = [];
  let step = 0;
  let hosts: readonly string[] = [];
  for (const line of text.slice(text.indexOf("\nTo do, ")).split("\n")) {
    step = Number(/^(\d+)\. /.exec(line)?.[1] ?? step);
    hosts =
      /^ {3}On ([^:]*)/
        .exec(line)?.[1]
        ?.split("; ")
        .map((host) => host.replace(/ \(.*/, "")) ?? hosts;
    const command = /^ {5}(.*)$/.exec(line)?.[1];
    if (command !== undefined) commands.push({ step, hosts, command });
  }
  return commands;
}

export interface StepResult {
  readonly host: string;
  readonly step: number;
  readonly stdout: string;
}

/** Runs every printed command: each step on all of its hosts at once, the commands of one host in one shell, before the next step. Rejects with the first that fails. */
export async function followPlan(text: string, hosts: ReadonlyMap<string, Host>): Promise<StepResult[]> {
  const commands = commandsIn(text);
  const results: StepResult[] = [];
  for (const step of new Set(commands.map((each) => each.step))) {
    const done = [...hosts].map(async ([name, host]) => {
      const own = commands.filter((each) => each.step === step && each.hosts.includes(name)).map(({ command }) => command);
      if (own.length > 0) results.push({ host: name, step, stdout: await host.do(`set -e\n${own.join("\n")}`) });
    });
    await Promise.all(done);
  }
  return results;
}
