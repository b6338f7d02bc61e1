// Prometheus' promtool, which checks and tests alerting rules: one the user names, the one on the PATH, or that of Debian's package `prometheus`, unpacked into
// the cache. Nothing is installed, so that no root is needed. Building it from source takes minutes and hundreds of modules.
import { execFile } from "node:child_process";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cached } from "./cache.ts";
import { ProvisionError } from "./provision-error.ts";

const LIMIT_MS = 5 * 60_000;
const PACKAGE = "prometheus";
const run = promisify(execFile);
let known: Promise<string> | undefined;

/** Path or name of a working promtool, 2.42 or newer; rejects with a ProvisionError whose message says how to get one. */
export function provisionPromtool(): Promise<string> {
  known ??= find();
  return known;
}

async function find(): Promise<string> {
  const named = process.env["ETCDSAFE_PROMTOOL"];
  if (named !== undefined) {
    if (await works(named)) return named;
    throw new ProvisionError(`ETCDSAFE_PROMTOOL=${named} is no promtool 2.42 or newer; unset it to have one found.`);
  }
  if (await works("promtool")) return "promtool";
  const directory = await cached(`promtool-${process.arch}`, unpack, () => process.stderr.write("Waiting for another process that fetches promtool …\n"));
  const promtool = join(directory, "promtool");
  if (await works(promtool)) return promtool;
  throw new ProvisionError(
    `${promtool} does not run, or is older than 2.42; remove it to have it fetched again, or set ETCDSAFE_PROMTOOL to a promtool binary.`,
  );
}

/** What is older than 2.42 does not know all that rules may say. One that somebody built without a version is taken as it is. */
async function works(promtool: string): Promise<boolean> {
  const output = await run(promtool, ["--version"], { timeout: 10_000 }).catch(() => undefined);
  const [found, major, minor] = /^promtool, version (?:(\d+)\.(\d+))?/m.exec(output?.stdout ?? "") ?? [];
  if (found === undefined || major === undefined) return found !== undefined;
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 42);
}

async function unpack(directory: string): Promise<void> {
  process.stderr.write("Fetching promtool with apt-get (once; 20 MB) …\n");
  const at = join(directory, "unpacking");
  await mkdir(at);
  try {
    await download(at);
    const archive = (await readdir(at)).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error("apt-get downloaded nothing");
    await run("dpkg-deb", ["-x", archive, "."], { cwd: at, timeout: LIMIT_MS });
    await rename(join(at, "usr/bin/promtool"), join(directory, "promtool"));
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { readonly stderr?: string };
    const why = code === "ENOENT" ? "there is no apt-get or dpkg-deb here" : ((stderr || message).trim().split("\n").at(-1) ?? message);
    throw new ProvisionError(`promtool is missing, and Debian's package ${PACKAGE} could not be unpacked: ${why}; set ETCDSAFE_PROMTOOL to a promtool binary.`);
  }
  await rm(at, { recursive: true, force: true });
}

/** With the lists of packages that the system has; where those name none, or one that is gone, with lists of its own. */
async function download(at: string): Promise<void> {
  const options = ["-q", "-o", "APT::Sandbox::User=", "-o", `Dir::Cache=${join(at, "cache")}`, "-o", "Acquire::Languages=none"];
  await mkdir(join(at, "cache/archives/partial"), { recursive: true });
  const apt = (...args: readonly string[]) => run("apt-get", [...options, ...args], { cwd: at, timeout: LIMIT_MS, env: { ...process.env, LC_ALL: "C" } });
  const first = await apt("download", PACKAGE).catch((error: NodeJS.ErrnoException) => error);
  if (!(first instanceof Error)) return;
  if (first.code === "ENOENT") throw first;
  const lists = join(at, "lists");
  await mkdir(join(lists, "partial"), { recursive: true });
  const own = ["-o", `Dir::State::Lists=${lists}`, "-o", "Debug::NoLocking=1"];
  await apt(...own, "update");
  await apt(...own, "download", PACKAGE);
}
