// The command line as commander sees it, built from the catalogue and the table of options. Values stay texts here: src/config reads them.
import { Command, CommanderError, Option } from "commander";
import type { CommandName } from "../config/option.ts";
import { isOptionOf, type OptionName, optionSpec, optionsOf } from "../config/options.ts";
import { arrangeArguments } from "./arguments.ts";
import { COMMANDS, GROUPS } from "./catalogue.ts";
import type { CommandInfo } from "./command.ts";
import { commandDescription, optionDescription, optionTerm, textAfterOptions } from "./help.ts";
import { requireNoPrivateKey, requireVerb, usageError } from "./usage-error.ts";

export interface ParsedArguments {
  readonly command: CommandName;
  readonly operands: readonly string[];
  /** Each option that was given, with its texts in the order given. */
  readonly flags: ReadonlyMap<OptionName, readonly string[]>;
}

/** Undefined when help or the version was asked for; `print` has been given it then. Throws USAGE. */
export function parseArguments(argv: readonly string[], version: string, print: (text: string) => void): ParsedArguments | undefined {
  let parsed: ParsedArguments | undefined;
  const program = makeProgram(version, print, (chosen) => {
    parsed = chosen;
  });
  const args = arrangeArguments(argv);
  requireVerb(args);
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw usageError(error, args, argv);
  }
  requireNoPrivateKey(parsed?.operands ?? []);
  return parsed;
}

function makeProgram(version: string, print: (text: string) => void, onCommand: (parsed: ParsedArguments) => void): Command {
  const program = new Command("etcdsafe")
    .description("Backs up etcd, proves that the backups are good, and rebuilds clusters from them.")
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: () => undefined })
    .configureHelp({ optionTerm, subcommandTerm: (command) => command.name() })
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help; behind a command, its own")
    .helpCommand("help", "print help; `help save` prints that of save")
    .addHelpText("after", textAfterOptions());
  const groups = new Map(
    Object.entries(GROUPS).map(([name, summary]) => [name, new Command(name).copyInheritedSettings(program).description(summary).helpCommand(false)]),
  );
  for (const [name, info] of Object.entries(COMMANDS) as [CommandName, CommandInfo][]) {
    const [first, second] = name.split(" ");
    const group = second === undefined ? undefined : groups.get(first!);
    if (group !== undefined && !program.commands.includes(group)) program.addCommand(group);
    (group ?? program).addCommand(makeCommand(name, info, program, onCommand));
  }
  return program;
}

function makeCommand(name: CommandName, info: CommandInfo, program: Command, onCommand: (parsed: ParsedArguments) => void): Command {
  const flags = new Map<OptionName, string[]>();
  const command = new Command(name.split(" ").at(-1))
    .copyInheritedSettings(program)
    .summary(info.summary)
    .description(commandDescription(info))
    .helpCommand(false);
  for (const { name: operand, required, description } of info.operands ?? []) command.argument(required ? `<${operand}>` : `[${operand}]`, description);
  for (const option of optionsOf(name)) command.addOption(makeOption(name, option, (text) => flags.set(option, [...(flags.get(option) ?? []), text])));
  return command.addHelpText("after", textAfterOptions(info)).action(() => onCommand({ command: name, operands: command.args, flags }));
}

/** Every option takes a value, booleans too: arrangeArguments writes it. */
function makeOption(command: CommandName, name: OptionName, onText: (text: string) => void): Option {
  const { short, placeholder, kind, group } = optionSpec(name);
  const option = new Option(`${short === undefined ? "" : `-${short}, `}--${name} <${placeholder ?? "value"}>`, optionDescription(name));
  option.negate = false; // `--no-spool` is an option by itself, not the opposite of one named `--spool`.
  option.hidden = kind === "secret" || !isOptionOf(name, command);
  return option.helpGroup(`${group}:`).argParser(onText);
}
