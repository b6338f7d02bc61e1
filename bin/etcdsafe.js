#!/usr/bin/env node
// Plain JavaScript, so that an old Node gets one clear line instead of a syntax error.
// Runs dist/ where it was built (the published package) and src/ as it stands in a checkout.
import { existsSync } from "node:fs";
import { setFlagsFromString } from "node:v8";

// 24.5 is the first whose agents know proxies.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 5)) {
  process.stderr.write(`etcdsafe needs Node 24.5 or newer; this is ${process.version}. In a checkout, "npm run -s etcdsafe --" uses the right one.\n`);
  process.exit(2);
}
// Snapshots stream by as large buffers behind small objects. Were the space for young objects to grow as it does by default, up to 60 MB of buffers
// that nobody needs any more would wait in it for the next collection; kept small it also costs less time (measured: 198 and 131 MB for 1 GB).
setFlagsFromString("--semi-space-growth-factor=1");
// SIGHUP says to an agent that its configuration is to be read again. One that is still being loaded is not ended by it, and reads it later anyway:
// whatever may be one is not ended before what reads arguments is loaded as well.
const argv = process.argv.slice(2);
const ignore = () => undefined;
if (argv.includes("agent")) process.on("SIGHUP", ignore);
const source = new URL("../src/cli/main.ts", import.meta.url);
// Node takes the types out of sources by a WebAssembly module, in each thread of its own. V8, collecting the code of one thread's module, has been seen to free
// it once more in the next thread (a core dump showed WasmEngine::FreeDeadCode below Runtime_TierUpWasmToJSWrapper): rarely, but it kills the process.
if (existsSync(source)) setFlagsFromString("--no-wasm-code-gc");
const built = new URL("../dist/cli/main.js", import.meta.url);
const { isAgent, main } = await import(existsSync(source) ? source.href : built.href);
if (!isAgent(argv)) process.off("SIGHUP", ignore);
process.exitCode = await main(argv);
// What hangs when an agent is stopped was given up, and would keep the process for as long as it hangs.
if (isAgent(argv)) process.exit();
