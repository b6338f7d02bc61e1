// Mistakes in the arguments, each with what to type instead.
import type { CommanderError } from "commander";
import { OPTIONS } from "../config/options.ts";
import { nearest } from "../config/suggest.ts";
import { EtcdsafeError } from "../errors.ts";
import { COMMANDS, GROUPS, SYNONYMS } from "./catalogue.ts";

/** Throws USAGE unless the arguments begin with a verb, or with an option that commander has to look at. */
export function requireVerb([first]: readonly string[]): void {
  if (first === undefined || Object.hasOwn(OPTIONS, /^--([^=]+)/.exec(first)?.[1] ?? ""))
    throw new EtcdsafeError("USAGE", "no command is given", { hint: `${commandsText()} See \`etcdsafe --help\`.` });
  if (first.startsWith("-") || Object.hasOwn(GROUPS, first) || Object.hasOwn(COMMANDS, first)) return;
  const meant = Object.hasOwn(SYNONYMS, first) ? SYNONYMS[first] : nearest(first, [...Object.keys(COMMANDS), ...Object.keys(GROUPS)]);
  const help = meant === undefined ? commandsText() : `Did you mean \`etcdsafe ${meant}\`?`;
  throw new EtcdsafeError("USAGE", `there is no command ${JSON.stringify(first)}`, { hint: `${help} See \`etcdsafe --help\`.` });
}

/** What commander found wrong with `args`. */
export function usageError({ message, code }: CommanderError, args: readonly string[]): EtcdsafeError {
  const verb = verbOf(args);
  const see = `See \`etcdsafe help${verb === "" ? "" : ` ${verb}`}\`.`;
  if (code === "commander.help") return new EtcdsafeError("USAGE", `\`etcdsafe ${verb}\` takes one of ${subcommandsOf(verb).join(", ")}`, { hint: see });
  const text = message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  const isFileGivenToSave = verb === "save" && code === "commander.excessArguments";
  return new EtcdsafeError("USAGE", text, { hint: isFileGivenToSave ? `To write a plain snapshot to a file, give --output FILE. ${see}` : see });
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
