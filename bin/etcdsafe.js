#!/usr/bin/env node
// Plain JavaScript, so that an old Node gets one clear line instead of a syntax error.
// Runs dist/ where it was built (the published package) and src/ as it stands in a checkout.
import { existsSync } from "node:fs";

const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(`etcdsafe needs Node 24 or newer; this is ${process.version}. In a checkout, "npm run etcdsafe --" uses the right one.\n`);
  process.exit(2);
}
const source = new URL("../src/cli/main.ts", import.meta.url);
const built = new URL("../dist/cli/main.js", import.meta.url);
const { main } = await import(existsSync(source) ? source.href : built.href);
process.exitCode = await main(process.argv.slice(2));
