// What a command prints as its result: one JSON document on standard output, or text made for people.
import { printableLine } from "./printable.ts";

export interface Output {
  readonly format: "text" | "json";
  /** The command's result, once. `text` is only asked for where it is wanted, and is not changed: use `table`, `facts` or `printable`. */
  print(document: unknown, text: () => string): void;
}

export function makeOutput(format: "text" | "json", stream: { write(text: string): unknown }): Output {
  return {
    format,
    print: (document, text) => {
      const printed = format === "json" ? jsonDocument(document) : text();
      stream.write(printed.endsWith("\n") ? printed : `${printed}\n`);
    },
  };
}

/** Indented, one line break at the end. 64-bit numbers become decimal strings, as everywhere in etcdsafe's JSON. */
export function jsonDocument(document: unknown): string {
  return `${JSON.stringify(document, (_key, value) => (typeof value === "bigint" ? value.toString() : value), 2)}\n`;
}

export interface Column<Row> {
  readonly title: string;
  readonly align?: "right";
  readonly of: (row: Row) => string;
}

/** Columns two blanks apart, titles in capitals; nothing but the titles for no rows. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [columns.map(({ title }) => title.toUpperCase()), ...rows.map((row) => columns.map(({ of }) => printableLine(of(row))))];
  const widths = columns.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  const pad = (cell: string, column: number) => (columns[column]!.align === "right" ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!));
  return lines.map((cells) => `${cells.map(pad).join("  ").trimEnd()}\n`).join("");
}

/** Names and values below each other; those without a value are left out. */
export function facts(entries: readonly (readonly [name: string, value: string | number | bigint | null | undefined])[]): string {
  const shown = entries.flatMap(([name, value]) =>
    value === null || value === undefined || value === "" ? [] : [[name, printableLine(String(value))] as const],
  );
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}
