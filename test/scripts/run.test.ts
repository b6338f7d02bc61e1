// scripts/run.mjs: a signal to it, or to npm, reaches the command that it has started; and it installs only what is not installed.
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { NODE } from "../support/cli.ts";
import { runCommand, startCommand } from "../support/command.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Starts a save that waits for an etcd which says nothing, signals who was started, and tells the exit code when the connection has ended. */
async function stopped(file: string, args: readonly string[], signal: NodeJS.Signals): Promise<number | null> {
  const connected = Promise.withResolvers<Socket>();
  const server = createServer((socket) => connected.resolve(socket.on("error", () => undefined).resume())).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const save = ["save", "--endpoints", `127.0.0.1:${port}`, "--dial-timeout", "1m", "--output", "/dev/null/never"];
    const { child, finished } = startCommand(file, [...args, ...save], { cwd: ROOT });
    const socket = await connected.promise;
    const ended = once(socket, "close", { signal: AbortSignal.timeout(10_000) });
    ended.catch(() => undefined); // Awaited below.
    child.kill(signal);
    const { exitCode } = await finished;
    await ended;
    return exitCode;
  } finally {
    server.close();
    (await Promise.race([connected.promise, undefined]))?.destroy(); // A command that runs on ends by that.
  }
}

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)(
  "npm run: %s to npm stops the command",
  async (signal, exitCode) => {
    expect(await stopped("npm", ["run", "-s", "etcdsafe", "--"], signal)).toBe(exitCode);
  },
  20_000,
);

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
] as const)(
  "run.mjs: without a terminal, %s is passed on to the command",
  async (signal, exitCode) => {
    expect(await stopped(NODE, ["scripts/run.mjs", "cli"], signal)).toBe(exitCode);
  },
  20_000,
);

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}

const WANTED: Readonly<Record<string, Locked>> = {
  "": { version: "0.1.0" },
  "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
  "node_modules/for-another-platform": { version: "1.0.0", optional: true },
};
const { "node_modules/a": A, ...WITHOUT_A } = WANTED;

/** A checkout whose command prints "ran", with an npm that fails and leaves a file. `present`: what npm says is installed. */
function checkout(present: Readonly<Record<string, Locked>> | undefined, { hasNode = true } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "etcdsafe-run-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const at = (path: string) => join(directory, path);
  for (const each of ["scripts", "bin", "path", "node_modules/node/bin"]) mkdirSync(at(each), { recursive: true });
  copyFileSync(join(ROOT, "scripts/run.mjs"), at("scripts/run.mjs"));
  writeFileSync(at("bin/etcdsafe.js"), 'process.stdout.write("ran")');
  writeFileSync(at("package-lock.json"), JSON.stringify({ packages: WANTED }));
  if (present !== undefined) writeFileSync(at("node_modules/.package-lock.json"), JSON.stringify({ packages: present }));
  writeFileSync(at("path/npm"), `#!/bin/sh\n: >${at("npm-was-called")}\nexit 1\n`);
  chmodSync(at("path/npm"), 0o755);
  const putNode = () => symlinkSync(NODE, at("node_modules/node/bin/node"));
  if (hasNode) putNode();
  const run = async () => {
    const env = { PATH: `${at("path")}:/usr/bin:/bin` };
    const { exitCode, stdout, stderr } = await runCommand(NODE, [at("scripts/run.mjs"), "cli"], { env });
    return { exitCode, stdout, stderr, installs: existsSync(at("npm-was-called")) };
  };
  return { run, putNode };
}

test.each([
  ["all that is wanted", { "node_modules/a": A! }],
  ["more than is wanted", { ...WANTED, "node_modules/b": { version: "1.0.0" } }],
])("run.mjs: nothing is installed where node_modules holds %s, by whatever command", async (_, present) => {
  const { run } = checkout(present);
  expect(await run()).toEqual({ exitCode: 0, stdout: "ran", stderr: "", installs: false });
});

test.each([
  ["nothing", undefined],
  ["all but one package", WITHOUT_A],
  ["another version", { "node_modules/a": { ...A!, version: "1.0.1" } }],
  ["other bytes", { "node_modules/a": { ...A!, integrity: "sha512-b" } }],
  ["an optional package of another version", { ...WANTED, "node_modules/for-another-platform": { version: "0.9.0" } }],
])("run.mjs: npm installs where node_modules holds %s, and its failure ends the run", async (_, present) => {
  const { run } = checkout(present);
  expect(await run()).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining("npm ci failed"), installs: true });
});

test("run.mjs: where install scripts are off, the command that helps is named, and what it put in place stays", async () => {
  const { run, putNode } = checkout(WANTED, { hasNode: false });
  const stderr = expect.stringContaining('"npm rebuild node --ignore-scripts=false"');
  expect(await run()).toEqual({ exitCode: 1, stdout: "", stderr, installs: false });
  putNode();
  expect(await run()).toEqual({ exitCode: 0, stdout: "ran", stderr: "", installs: false });
});
