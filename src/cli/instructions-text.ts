// The instructions for all hosts as one list: a step is printed once for all hosts that run the same, and comes before the next step of any.
import type { HostInstructions, InstructionStep } from "../restore/instructions/steps.ts";
import { printableLine } from "./printable.ts";

/** Empty for no instructions. */
export function instructionsText(hosts: readonly HostInstructions[]): string {
  const stages = Map.groupBy(
    hosts.flatMap((host) => host.steps.map((step) => ({ where: whereOf(host), step }))),
    ({ step }) => step.number,
  );
  const numbers = [...stages.keys()].toSorted((a, b) => a - b);
  if (numbers.length === 0) return "";
  const lines = numbers.flatMap((number) => ["", ...stageLines(number, stages.get(number)!)]);
  return `To do, in a root shell on each host; finish a step on all its hosts before the next:\n${lines.join("\n")}\n`;
}

interface PlacedStep {
  readonly where: string;
  readonly step: InstructionStep;
}

function stageLines(number: number, placed: readonly PlacedStep[]): string[] {
  const [{ step: first }] = placed as [PlacedStep];
  const same = Map.groupBy(placed, ({ step }) => JSON.stringify([step.title, step.why, step.commands]));
  const groups = [...same.values()].map((group) => ({ hosts: group.map(({ where }) => where), step: group[0]!.step }));
  return [
    `${number}. ${first.title}`,
    ...groups.flatMap(({ hosts, step }) => [
      `   On ${printableLine(hosts.join("; "))}${step.title === first.title ? "" : `: ${step.title}`}`,
      ...(step.why === undefined ? [] : [`   (${printableLine(step.why)})`]),
      ...step.commands.map((command) => `     ${printableLine(command)}`),
    ]),
  ];
}

function whereOf({ member, host }: HostInstructions): string {
  return member === null || member === host ? host : `${member} (${host})`;
}
