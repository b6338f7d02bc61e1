// What tests of saves share: the command line's arguments, the phase a save was in, and what is in its repository afterwards.
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { makeRuntime } from "../../src/cli/runtime.ts";
import { type CatalogueEntry, listBackups, listClusters } from "../../src/repository/catalogue.ts";
import { openRepository, type Repository } from "../../src/repository/repository.ts";
import type { Runtime } from "../../src/runtime.ts";
import { openStorage } from "../../src/storage/open.ts";
import { readOnly } from "../../src/storage/read-only.ts";
import { DEFAULT_SETTINGS, type StorageSettings } from "../../src/storage/settings.ts";
import { runCli } from "./cli.ts";
import type { CommandResult } from "./command.ts";

/** The real clock and random source; says nothing. */
export const quietRuntime: Runtime = makeRuntime({ log: () => undefined, progress: () => undefined, [Symbol.dispose]: () => undefined });

const { signal } = new AbortController();

/** Of `etcdsafe save`, with a line on stderr for each phase. */
export function saveArguments(endpoints: string | readonly string[], repository: string, ...more: readonly string[]): string[] {
  const urls = typeof endpoints === "string" ? endpoints : endpoints.join(",");
  return ["save", "--endpoints", urls, "--repository", repository, "--log-level", "debug", "--log-format", "json", "-o", "json", ...more];
}

/** The phase that a save began last, by what it logged; before the first it looks for a member, which is part of connecting. */
export function lastPhase(stderr: string): string {
  return [...stderr.matchAll(/"phase":"(\w+)"/g)].at(-1)?.[1] ?? "connect";
}

/** The lines that a command with `--log-format json` printed. */
export function logLines(stderr: string): LogLine[] {
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  /** Of the error that ended the command. */
  readonly code?: string;
  readonly hint?: string;
}

/** Runs the command and demands its exit code. */
export async function expectExit(exitCode: number, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const result = await runCli(args, { env });
  if (result.exitCode === exitCode) return result;
  throw new Error(`etcdsafe ${args.join(" ")} ended with ${result.exitCode ?? result.signal} instead of ${exitCode}:\n${result.stderr}${result.stdout}`);
}

/** For a look without changing anything. */
export async function openedRepository(url: string, settings: StorageSettings = DEFAULT_SETTINGS): Promise<Repository> {
  return openRepository(readOnly(await openStorage(url, settings, quietRuntime)), { signal });
}

/** Every backup that `list` shows, of all clusters. */
export async function listedBackups(
  url: string,
  settings: StorageSettings = DEFAULT_SETTINGS,
): Promise<{ readonly cluster: string; readonly entry: CatalogueEntry }[]> {
  const repository = await openedRepository(url, settings);
  const listed: { cluster: string; entry: CatalogueEntry }[] = [];
  for (const cluster of await listClusters(repository, { signal })) {
    for (const entry of await listBackups(repository, cluster, { signal })) listed.push({ cluster, entry });
  }
  return listed;
}

/** Every file below `directory` and its content, by its path; of a repository without what is no object. */
export async function filesBelow(directory: string): Promise<Record<string, string>> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  const named = paths.map((path) => [relative(directory, path), path] as const).filter(([name]) => !name.startsWith(".etcdsafe"));
  return Object.fromEntries(await Promise.all(named.map(async ([name, path]) => [name, (await readFile(path)).toString("base64")])));
}
