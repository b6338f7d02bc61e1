import { expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/catalogue.ts";
import { parseArguments } from "../../src/cli/program.ts";
import type { CommandName } from "../../src/config/option.ts";
import { isOptionOf, OPTION_NAMES, type OptionName, optionSpec } from "../../src/config/options.ts";

function parse(...argv: string[]) {
  let printed = "";
  const parsed = parseArguments(argv, "1.2.3", (text) => {
    printed += text;
  });
  return { parsed, printed };
}

function refusal(...argv: string[]): string {
  try {
    parse(...argv);
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    expect(code).toBe("USAGE");
    return `${message} | ${hint}`;
  }
  throw new Error("was taken");
}

test("program: verb, operands and flags, texts as they were given", () => {
  expect(parse("--cluster", "a", "show", "latest", "-o", "json", "--cluster=b").parsed).toEqual({
    command: "show",
    operands: ["latest"],
    flags: new Map([
      ["cluster", ["b", "a"]],
      ["format", ["json"]],
    ]),
  });
});

test("program: help says what a group of commands is for", () => {
  expect(parse("--help").printed).toMatch(/^ +repo +set up repositories and look after them$/m);
});

test("program: what follows -- is an operand", () => {
  expect(parse("inspect", "--", "--odd-name").parsed?.operands).toEqual(["--odd-name"]);
});

test("program: booleans may have a value, and --no-spool is an option of its own", () => {
  expect(parse("save", "--no-spool", "--insecure-transport=false").parsed?.flags).toEqual(
    new Map([
      ["no-spool", ["true"]],
      ["insecure-transport", ["false"]],
    ]),
  );
});

test("program: every command of the catalogue can be called, and takes exactly its options", () => {
  for (const [name, { operands = [] }] of Object.entries(COMMANDS)) {
    const argv = [...name.split(" "), ...operands.filter(({ required }) => required).map(() => "x")];
    for (const option of OPTION_NAMES) {
      const spec = optionSpec(option);
      const expected = name.startsWith("config ") || isOptionOf(option, name as CommandName);
      const run = () => parse(...argv, spec.kind === "boolean" ? `--${option}` : `--${option}=x`).parsed?.flags.has(option as OptionName);
      if (expected) expect(run(), `${name} --${option}`).toBe(true);
      else expect(run, `${name} --${option}`).toThrow("unknown option");
    }
  }
});

test.each([
  [["sav"], 'there is no command "sav" | Did you mean `etcdsafe save`? See `etcdsafe --help`.'],
  [["snapshot", "save"], 'there is no command "snapshot" | Did you mean `etcdsafe save`? See `etcdsafe --help`.'],
  [["help", "sav"], 'there is no command "sav" | Did you mean `etcdsafe save`? See `etcdsafe --help`.'],
  [["save", "--repositry", "x"], "unknown option '--repositry' (Did you mean --repository?) | See `etcdsafe help save`."],
  [["save", "--plan"], "unknown option '--plan' | See `etcdsafe help save`."],
  [["--plan", "save"], "unknown option '--plan' | See `etcdsafe help save`."],
  [["save", "--plan=true"], "unknown option '--plan=true' | See `etcdsafe help save`."],
  [["save", "--plan=false"], "unknown option '--plan=false' | See `etcdsafe help save`."],
  [
    ["save", "snapshot.db"],
    "too many arguments for 'save'. Expected 0 arguments but got 1. | To write a plain snapshot to a file, give --output FILE. See `etcdsafe help save`.",
  ],
  [["show"], "missing required argument 'backup' | See `etcdsafe help show`."],
  [["save", "--cluster"], "option '--cluster <NAME>' argument missing | See `etcdsafe help save`."],
  [["config"], "`etcdsafe config` takes one of show, validate | See `etcdsafe help config`."],
  [["config", "sho"], "unknown command 'sho' (Did you mean show?) | See `etcdsafe help config`."],
  [["--frobnicate", "save"], "unknown option '--frobnicate' | See `etcdsafe help save`."],
])("program: %j is refused with what to type instead", (argv, expected) => {
  expect(refusal(...argv)).toBe(expected);
});

test.each([[], ["--cluster", "x"]])("program: without a verb, the verbs are named (%#)", (...argv) => {
  expect(refusal(...argv)).toMatch(/^no command is given \| There are save, list, /);
});

test("program: help names every command and the exit codes, and no option of etcd's secrets", () => {
  const { parsed, printed } = parse("--help");
  expect(parsed).toBeUndefined();
  for (const name of Object.keys(COMMANDS)) expect(printed).toContain(`  ${name.split(" ")[0]}`);
  expect(printed).toMatch(/\n {2}9 +refused for safety\n/);
  const save = parse("help", "save").printed;
  expect(save).toContain("--no-spool ");
  expect(save).toContain("ETCDCTL_ENDPOINTS");
  expect(save).toContain("129, 130, 143");
  expect(save).not.toContain("--password ");
});

test("program: the version", () => {
  expect(parse("--version")).toEqual({ parsed: undefined, printed: "1.2.3\n" });
  expect(parse("-V").printed).toBe("1.2.3\n");
});
