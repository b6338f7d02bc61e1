// The parts of help that commander does not write: options from the table, examples, environment, exit codes.
import { Help, type Option } from "commander";
import { OPTIONS, type OptionName, optionSpec } from "../config/options.ts";
import type { CommandInfo } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";

const NAMES_TEXT = `Every option is also an environment variable (--stall-limit: ETCDSAFE_STALL_LIMIT) and a key of the
YAML file that --config names (stall-limit). Flags beat the environment, which beats the file.`;

/** What stands below a command's options. */
export function textAfterOptions(info?: CommandInfo): string {
  const examples = info === undefined ? "" : `Examples:\n${info.examples.map(({ line, does }) => `  # ${does}\n  ${line}\n`).join("")}\n`;
  const exitCodes = EXIT_CODES.map(([code, meaning]) => `  ${code.padEnd(8)}  ${meaning}\n`).join("");
  return `\n${examples}${NAMES_TEXT}\n\nExit codes:\n${exitCodes}`;
}

export function commandDescription({ summary, description }: CommandInfo): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.${description === undefined ? "" : ` ${description}`}`;
}

/** The table's description and, in parentheses, what else there is to know. */
export function optionDescription(name: OptionName): string {
  const notes = optionNotes(name);
  return `${optionSpec(name).description}${notes.length === 0 ? "" : ` (${notes.join("; ")})`}`;
}

function optionNotes(name: OptionName): string[] {
  const { default: text, defaultText, kind, etcdctl, choices } = optionSpec(name);
  const shownDefault = text === undefined || (kind === "boolean" && text === "false") ? defaultText : text;
  return [
    ...(choices === undefined ? [] : [choices.join(" | ")]),
    ...(shownDefault === undefined ? [] : [`default: ${shownDefault}`]),
    ...(etcdctl === undefined ? [] : [etcdctl]),
  ];
}

/** A boolean is shown as it is mostly typed, without a value. */
export function optionTerm(option: Option): string {
  const isBoolean = Object.hasOwn(OPTIONS, option.name()) && optionSpec(option.name() as OptionName).kind === "boolean";
  return isBoolean ? `--${option.name()}` : new Help().optionTerm(option);
}
