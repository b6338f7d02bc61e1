// Entry of every npm script. Plain JavaScript for the system's Node (20 or newer), whose only work is to install the
// dependencies named in package-lock.json where they are not, and to hand over to the Node 24 that comes among them.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const node = `${root}node_modules/node/bin/node`;

const TASKS = {
  test: ["scripts/test.ts"],
  "test-slow": ["scripts/test.ts", "--slow"],
  check: ["scripts/test.ts", "--static-only"],
  demo: ["scripts/demo.ts"],
  bench: ["bench/main.ts"],
  docs: ["scripts/docs.ts"],
  cli: ["bin/etcdsafe.js"],
  format: ["node_modules/@biomejs/biome/bin/biome", "check", "--write", "."],
  build: ["scripts/build.ts"],
};

const [task, ...rest] = process.argv.slice(2);
const script = TASKS[task];
if (script === undefined) fail(`unknown task ${task}; one of ${Object.keys(TASKS).join(", ")}`);
install();
const child = spawn(node, [...script.map((part, index) => (index === 0 ? root + part : part)), ...rest], {
  cwd: task === "cli" ? (process.env.INIT_CWD ?? process.cwd()) : root,
  stdio: "inherit",
  env: { ...process.env, PATH: `${root}node_modules/node/bin:${process.env.PATH}` },
});
// A terminal gives these two to all processes in front of it, the child too, which would take a second one for another.
const fromTerminal = [0, 1, 2].some((fd) => isatty(fd)) ? ["SIGINT", "SIGHUP"] : [];
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => fromTerminal.includes(signal) || child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

/** Leaves alone what is installed already, by whatever npm command: `npm ci` would remove all of it first. */
function install() {
  const wanted = lockedPackages("package-lock.json");
  if (!isInstalled(wanted, lockedPackages("node_modules/.package-lock.json"))) {
    process.stderr.write("Installing the dependencies of package-lock.json (once) …\n");
    const done = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root, stdio: ["ignore", 2, 2] });
    if (done.status !== 0) fail(`npm ci failed${done.error === undefined ? "; its message above says why" : `: ${done.error.message}`}`);
  }
  if (existsSync(node)) return;
  fail('Node 24 is not there, since npm is told to run no install scripts.\nRun "npm rebuild node --ignore-scripts=false" once, then this again.');
}

/** By place. What is in node_modules npm writes down when it has installed all of it; `npm ci` removes that first. */
function lockedPackages(file) {
  const path = root + file;
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).packages : {};
}

/** Optional packages are those of other platforms, for the most part. */
function isInstalled(wanted, present) {
  return Object.entries(wanted).every(([place, { version, integrity, optional }]) => {
    if (place === "") return true; // The project itself.
    const found = present[place];
    if (found === undefined) return optional === true;
    return found.version === version && (integrity === undefined || found.integrity === integrity);
  });
}

function fail(message) {
  process.stderr.write(`etcdsafe: ${message}\n`);
  process.exit(1);
}
