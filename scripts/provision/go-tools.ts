// Builds the commands named by the `tool` lines of a go.mod of ours, once per go.mod, go.sum, Go version and platform.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cached } from "./cache.ts";
import { ProvisionError } from "./provision-error.ts";

export interface GoTools<Name extends string> {
  /** For messages. */
  readonly label: string;
  readonly cacheName: string;
  /** Holds go.mod and go.sum. */
  readonly moduleDirectory: string;
  /** Name of each binary and the package it is built from. */
  readonly packages: Readonly<Record<Name, string>>;
  /** What to do instead of installing Go; ends a message. */
  readonly otherWay: string;
}

const GO_VERSION_MIN = [1, 26] as const;
/** Nothing of the machine goes into a binary: no cgo, no paths, no version control, no go.work around the checkout. */
const BUILD_FLAGS = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"];
const BUILD_ENVIRONMENT = { CGO_ENABLED: "0", GOWORK: "off" };
const BUILD_LIMIT_MS = 15 * 60_000;

/** Absolute paths of the binaries, built where they are not cached; progress goes to stderr. */
export async function provisionGoTools<Name extends string>(tools: GoTools<Name>): Promise<Record<Name, string>> {
  const key = await cacheKey(tools);
  const directory = await cached(
    `${tools.cacheName}-${key}`,
    (unfinished) => build(tools, unfinished),
    () => say(`Waiting for another process that builds ${tools.label} …`),
  );
  const names = Object.keys(tools.packages) as Name[];
  return Object.fromEntries(names.map((name) => [name, join(directory, name)])) as Record<Name, string>;
}

async function cacheKey(tools: GoTools<string>): Promise<string> {
  const hash = createHash("sha256");
  for (const file of ["go.mod", "go.sum"]) hash.update(await readFile(join(tools.moduleDirectory, file)));
  hash.update([await goVersion(tools), process.platform, process.arch, ...BUILD_FLAGS].join("\n"));
  return hash.digest("hex").slice(0, 16);
}

/** Asked in the module's directory: a Go that is too old but may switch (GOTOOLCHAIN) answers with the version it switches to. */
async function goVersion(tools: GoTools<string>): Promise<string> {
  const wanted = GO_VERSION_MIN.join(".");
  const remedy = `install Go ${wanted} or newer (https://go.dev/doc/install), or ${tools.otherWay}.`;
  const { stdout } = await go(["env", "GOVERSION"], tools.moduleDirectory, 5 * 60_000).catch((error: GoFailure) => {
    const why =
      error.code === "ENOENT" ? "and there is no go command on the PATH" : `but "go env GOVERSION" failed: ${lastLine(error.stderr ?? error.message)}`;
    throw new ProvisionError(`building ${tools.label} needs Go ${wanted} or newer, ${why}; ${remedy}`);
  });
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(stdout.trim()) ?? [];
  const enough = Number(major) > GO_VERSION_MIN[0] || (Number(major) === GO_VERSION_MIN[0] && Number(minor) >= GO_VERSION_MIN[1]);
  if (enough) return stdout.trim();
  throw new ProvisionError(`building ${tools.label} needs Go ${wanted} or newer, but the one on the PATH is ${stdout.trim()}; ${remedy}`);
}

async function build(tools: GoTools<string>, directory: string): Promise<void> {
  say(`Building ${tools.label} (once; a minute or two) …`);
  const startedAt = performance.now();
  for (const [name, source] of Object.entries(tools.packages)) {
    await go(["build", ...BUILD_FLAGS, "-o", join(directory, name), source], tools.moduleDirectory, BUILD_LIMIT_MS).catch((error: GoFailure) => {
      const what = `building ${name} of ${tools.label} in ${tools.moduleDirectory}`;
      if (error.killed) throw new ProvisionError(`${what} took longer than ${BUILD_LIMIT_MS / 60_000} minutes; try again, or ${tools.otherWay}.`);
      throw new ProvisionError(`${what} failed: ${lastLine(error.stderr ?? error.message)}; try "go build ${source}" there, or ${tools.otherWay}.`);
    });
  }
  say(`Built ${tools.label} in ${((performance.now() - startedAt) / 1000).toFixed(0)} s.`);
}

interface GoFailure extends NodeJS.ErrnoException {
  readonly stderr?: string;
  readonly killed?: boolean;
}

function go(args: readonly string[], cwd: string, timeout: number): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)("go", args, { cwd, timeout, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...BUILD_ENVIRONMENT } });
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
