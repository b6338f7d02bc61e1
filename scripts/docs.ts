// Writes the generated pages of docs/; with --check, only compares them and fails where one is not up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cliPage } from "./docs/cli-page.ts";
import { errorsPage } from "./docs/errors-page.ts";

const PAGES = { "docs/cli.md": cliPage, "docs/errors.md": errorsPage };

const check = process.argv.includes("--check");
for (const [path, page] of Object.entries(PAGES)) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  const text = page();
  if (!check) writeFileSync(file, text);
  else if (text !== current(file)) {
    process.stderr.write(`${path} is not up to date: run \`npm run docs\` and commit it.\n`);
    process.exitCode = 1;
  }
}

function current(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
