// The generated pages, and what they and every hint promise: that the commands they name exist.
import { expect, test } from "vitest";
import { cliPage } from "../../scripts/docs/cli-page.ts";
import { errorsPage } from "../../scripts/docs/errors-page.ts";
import { markdownTable } from "../../scripts/docs/markdown.ts";
import { COMMANDS } from "../../src/cli/catalogue.ts";
import { EXIT_CODES } from "../../src/cli/exit-codes.ts";
import { parseArguments } from "../../src/cli/program.ts";
import { OPTION_NAMES, variableOf } from "../../src/config/options.ts";
import { ERRORS } from "../../src/errors.ts";

test("documentation: every command, option, variable and error is in it", () => {
  const cli = cliPage();
  for (const name of Object.keys(COMMANDS)) expect(cli).toContain(`\n## ${name}\n`);
  for (const name of OPTION_NAMES) expect(cli).toContain(`\`${variableOf(name)}\``);
  const errors = errorsPage();
  for (const code of Object.keys(ERRORS)) expect(errors).toContain(`| \`${code}\` `);
});

test("documentation: every exit code of an error has a meaning", () => {
  const explained = EXIT_CODES.flatMap(([codes]) => codes.split(", ").map(Number));
  for (const [code, { exit }] of Object.entries(ERRORS)) expect(explained, code).toContain(exit);
});

test("documentation: no hint, help or page names a command or option that does not exist", () => {
  const helps = Object.keys(COMMANDS).map((name) => {
    let help = "";
    parseArguments([...name.split(" "), "--help"], "0.0.0", (text) => {
      help += text;
    });
    return help;
  });
  const texts = [cliPage(), errorsPage(), ...helps].join("\n");
  const named = [...texts.matchAll(/`etcdsafe ((?:(?:repo|config) )?[a-z]+)/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(5);
  for (const name of named) expect([...Object.keys(COMMANDS), "help"], name).toContain(name);
  const foreign = ["help", "version", "trusted-ca-file", "cluster-id", "option", "force-new-cluster", "rev"];
  for (const [, option] of texts.matchAll(/(?<![\w-])--([a-z][a-z-]+[a-z])/g)) expect([...OPTION_NAMES, ...foreign], option).toContain(option);
});

test("documentation: the examples are taken by the command line", () => {
  for (const { examples } of Object.values(COMMANDS)) {
    for (const { line } of examples) {
      const [program, ...args] = line.split(" ");
      expect(program).toBe("etcdsafe");
      expect(() => parseArguments(args, "0.0.0", () => undefined), line).not.toThrow();
    }
  }
});

test("documentation: tables are padded, and lose columns without content", () => {
  expect(
    markdownTable(
      ["A", "B", "C"],
      [
        ["a|b", "", "1"],
        ["", "", "22"],
      ],
    ),
  ).toBe("| A    | C   |\n| ---- | --- |\n| a\\|b | 1   |\n|      | 22  |");
});
