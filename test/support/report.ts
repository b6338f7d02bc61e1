// What a test counted, in the output of the test run: numbers that a claim rests on are to be seen, not only asserted.

/** Prints a line for each row. */
export function report(title: string, rows: Readonly<Record<string, string | number>>): void {
  const width = Math.max(...Object.keys(rows).map((name) => name.length));
  const lines = Object.entries(rows).map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  console.log([title, ...lines].join("\n"));
}
