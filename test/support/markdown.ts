// What a page of docs/ says word for word, for tests that do it.
import { readFileSync } from "node:fs";
import { expect } from "vitest";

/** A page's text below the heading, up to the next heading of any level. */
export function sectionOf(page: string, heading: string): string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  const [, section] = text.split(new RegExp(`^#+ ${RegExp.escape(heading)}\\n`, "m"));
  if (section === undefined) throw new Error(`docs/${page} has no heading “${heading}”`);
  // A comment in a shell block is no heading: those have a blank line before them.
  return section.split(/^\n#+ /m)[0]!;
}

/** The fenced blocks of that language in a section, in their order. */
export function blocksOf(section: string, language: string): string[] {
  return [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, found]) => found === language).map(([, , text]) => text!);
}

/** The cells of a section's tables, row by row, without heads and rules. */
export function rowsOf(section: string): string[][] {
  const rows = section.split("\n").map((line) => (/^\|(.*)\|$/.exec(line)?.[1] ?? "").split(" | ").map((cell) => cell.trim()));
  return rows.filter((cells, index) => cells.length > 1 && !/^-+$/.test(cells[0]!) && !/^\| *-/.test(section.split("\n")[index + 1] ?? ""));
}

/** With what a test has in place of what the page says; each of them has to be there. */
export function withInstead(text: string, replaced: Readonly<Record<string, string>>): string {
  let changed = text;
  for (const [what, by] of Object.entries(replaced)) {
    expect(text).toContain(what);
    changed = changed.replaceAll(what, by);
  }
  return changed;
}
