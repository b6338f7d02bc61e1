// Mistakes in the arguments, each with what to type instead.
import type { CommanderError } from "commander";
import { privateKeyIn } from "../config/file-content.ts";
import { OPTIONS } from "../config/options.ts";
import type { Fault } from "../config/origin.ts";
import { nearest } from "../config/suggest.ts";
import { EtcdsafeError } from "../errors.ts";
import { COMMANDS, GROUPS, SYNONYMS } from "./catalogue.ts";
import type { ParsedArguments } from "./program.ts";

/** Throws USAGE unless the arguments begin with a verb, or with an option that commander has to look at. */
export function requireVerb([first]: readonly string[]): void {
  if (first === undefined || Object.hasOwn(OPTIONS, /^--([^=]+)/.exec(first)?.[1] ?? ""))
    throw new EtcdsafeError("USAGE", "no command is given", { hint: `${commandsText()} See \`etcdsafe --help\`.` });
  requireNoPrivateKey([first]);
  if (first.startsWith("-") || Object.hasOwn(GROUPS, first) || Object.hasOwn(COMMANDS, first)) return;
  const meant = Object.hasOwn(SYNONYMS, first) ? SYNONYMS[first] : nearest(first, [...Object.keys(COMMANDS), ...Object.keys(GROUPS)]);
  const help = meant === undefined ? commandsText() : `Did you mean \`etcdsafe ${meant}\`?`;
  throw new EtcdsafeError("USAGE", `there is no command ${JSON.stringify(first)}`, { hint: `${help} See \`etcdsafe --help\`.` });
}

/** Throws USAGE for what holds a private key and is no value of an option: whatever looks for it would repeat it. Of those, src/config tells. */
export function requireNoPrivateKey(texts: readonly string[]): void {
  if (texts.every((text) => privateKeyIn(text) === undefined)) return;
  throw new EtcdsafeError("USAGE", "an argument that is no option's value holds a private key, which is not repeated here", {
    hint: "Arguments are visible to every user of the host. Write the key to a file that nobody else can read, and give its path to the option that takes it.",
  });
}

/** What commander found wrong with `args`, which `typed` was made into. */
export function usageError({ message, code }: CommanderError, args: readonly string[], typed: readonly string[]): EtcdsafeError {
  const verb = verbOf(args);
  const see = `See \`etcdsafe help${verb === "" ? "" : ` ${verb}`}\`.`;
  if (code === "commander.help") return new EtcdsafeError("USAGE", `\`etcdsafe ${verb}\` takes one of ${subcommandsOf(verb).join(", ")}`, { hint: see });
  requireNoPrivateKey([message]);
  const text = asTyped(message, typed)
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ");
  const isFileGivenToSave = verb === "save" && code === "commander.excessArguments";
  return new EtcdsafeError("USAGE", text, { hint: isFileGivenToSave ? `To write a plain snapshot to a file, give --output FILE. ${see}` : see });
}

/** A boolean option that only other commands have was given the value that all of them are given. */
function asTyped(message: string, typed: readonly string[]): string {
  return message.replace(/^(error: unknown option ')(-[^']*)(=true)'/, (all, before: string, option: string, value: string) =>
    typed.includes(option) && !typed.includes(`${option}${value}`) ? `${before}${option}'` : all,
  );
}

/** For who takes the -o of `save` for the file to write to, as other tools have it; undefined where nobody does. */
export function formatHint({ command, flags }: ParsedArguments, faults: readonly Fault[]): string | undefined {
  const isMeant = command === "save" && faults.some(({ key, origin }) => key === "format" && origin.kind === "flag");
  const file = isMeant ? flags.get("format")!.at(-1)! : undefined;
  return file === undefined || privateKeyIn(file) !== undefined
    ? undefined
    : `To write a plain snapshot to a file, give --output ${file}; -o is how the result is printed.`;
}

function verbOf(args: readonly string[]): string {
  const words = args.slice(0, 2).filter((word) => !word.startsWith("-"));
  return [words.join(" "), words[0] ?? ""].find((name) => Object.hasOwn(COMMANDS, name) || Object.hasOwn(GROUPS, name)) ?? "";
}

function subcommandsOf(group: string): string[] {
  return Object.keys(COMMANDS).flatMap((name) => (name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : []));
}

function commandsText(): string {
  return `There are ${Object.keys(COMMANDS).join(", ")}.`;
}
