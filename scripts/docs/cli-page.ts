// docs/cli.md: the catalogue of commands and the table of options.
import { COMMANDS } from "../../src/cli/catalogue.ts";
import type { CommandInfo } from "../../src/cli/command.ts";
import { EXIT_CODES } from "../../src/cli/exit-codes.ts";
import { commandDescription } from "../../src/cli/help.ts";
import type { CommandName, OptionSpec } from "../../src/config/option.ts";
import { OPTION_NAMES, type OptionName, optionSpec, variableOf } from "../../src/config/options.ts";
import { CONFIGURATION, CONVENTIONS, KINDS, NOTES } from "./cli-text.ts";
import { code, GENERATED, markdownTable } from "./markdown.ts";

export function cliPage(): string {
  const names = Object.keys(COMMANDS) as CommandName[];
  const contents = names.map((name) => `[${name}](#${name.replaceAll(" ", "-")})`).join(" · ");
  const exitCodes = markdownTable(
    ["Code", "Meaning"],
    EXIT_CODES.map(([exit, meaning]) => [exit, meaning]),
  );
  return [
    GENERATED,
    "# Command line",
    contents,
    CONVENTIONS,
    `## Exit codes\n\n${exitCodes}\n\nWhich error has which: [errors.md](errors.md). A code that is not listed is a failure.`,
    CONFIGURATION,
    `## Values\n\n${markdownTable(
      ["Kind", "How it is written"],
      KINDS.map(([kind, form]) => [kind, form]),
    )}`,
    ...names.map((name) => commandSection(name, COMMANDS[name])),
    `## All options\n\n${markdownTable(["Option", "Variable", "etcdctl's variable", "Kind", "Default", "Commands"], OPTION_NAMES.map(optionRow))}`,
  ]
    .join("\n\n")
    .concat("\n");
}

function commandSection(name: CommandName, info: CommandInfo): string {
  const operands = info.operands ?? [];
  const usage = ["etcdsafe", name, ...operands.map((operand) => (operand.required ? `<${operand.name}>` : `[${operand.name}]`)), "[options]"].join(" ");
  const own = OPTION_NAMES.filter((option) => optionSpec(option).commands.includes(name) && optionSpec(option).group !== "Configuration and output");
  return [
    `## ${name}`,
    commandDescription(info),
    `\`\`\`\n${usage}\n\`\`\``,
    ...(operands.length === 0 ? [] : [operands.map((operand) => `- ${code(operand.name)}: ${operand.description}`).join("\n")]),
    ...(own.length === 0 ? [] : [markdownTable(["Option", "", "Default"], own.map(commandOptionRow))]),
    `\`\`\`sh\n${info.examples.map(({ line, does }) => `# ${does}\n${line}`).join("\n")}\n\`\`\``,
    ...(info.example === undefined ? [] : [info.example]),
    ...(NOTES[name] === undefined ? [] : [NOTES[name]]),
    `With \`-o json\`:\n\n${markdownTable(
      ["Field", "Meaning"],
      Object.entries(info.json).map(([field, meaning]) => [code(field), meaning]),
    )}`,
  ].join("\n\n");
}

function commandOptionRow(name: OptionName): string[] {
  const spec = optionSpec(name);
  const choices = spec.choices === undefined ? "" : ` One of ${spec.choices.map(code).join(", ")}.`;
  return [flagOf(name, spec), `${spec.description}${choices}`, defaultOf(spec)];
}

function optionRow(name: OptionName): string[] {
  const spec = optionSpec(name);
  const commands = spec.commands.length === Object.keys(COMMANDS).length ? "all" : spec.commands.map((command) => code(command)).join(", ");
  return [flagOf(name, spec), code(variableOf(name)), spec.etcdctl === undefined ? "" : code(spec.etcdctl), spec.kind, defaultOf(spec), commands];
}

function flagOf(name: OptionName, { kind, placeholder, short }: OptionSpec): string {
  if (kind === "secret") return "(none)";
  return code(`${short === undefined ? "" : `-${short}, `}--${name}${placeholder === undefined ? "" : ` ${placeholder}`}`);
}

function defaultOf({ default: text, defaultText }: OptionSpec): string {
  return text === undefined ? (defaultText ?? "") : code(text);
}
