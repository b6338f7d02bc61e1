// The zstd command line, against which stored objects are proven: one the user names, the system's, or installed by its package manager.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ProvisionError } from "./provision-error.ts";

const INSTALL_LIMIT_MS = 5 * 60_000;
const run = promisify(execFile);
let known: Promise<string> | undefined;

/** Path or name of a working zstd; rejects with a ProvisionError whose message says how to get one. */
export function provisionZstd(): Promise<string> {
  known ??= find();
  return known;
}

async function find(): Promise<string> {
  const named = process.env["ETCDSAFE_ZSTD"];
  if (named !== undefined) {
    if (await works(named)) return named;
    throw new ProvisionError(`ETCDSAFE_ZSTD=${named} is no zstd; unset it to have the system's used.`);
  }
  if (await works("zstd")) return "zstd";
  const why = process.geteuid?.() === 0 ? await install() : "and only root may install it";
  if (why === undefined && (await works("zstd"))) return "zstd";
  throw new ProvisionError(
    `the zstd command is missing, ${why ?? "though it was just installed"}; run "apt-get install zstd" (or your system's own), or set ETCDSAFE_ZSTD to a zstd binary.`,
  );
}

async function works(zstd: string): Promise<boolean> {
  const output = await run(zstd, ["--version"], { timeout: 10_000 }).catch(() => undefined);
  return output?.stdout.includes("Zstandard") ?? false;
}

/** Why it could not be installed; undefined when it was. */
async function install(): Promise<string | undefined> {
  process.stderr.write("Installing zstd by apt-get …\n");
  try {
    const options = { timeout: INSTALL_LIMIT_MS, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
    await run("apt-get", ["update", "-qq"], options);
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "zstd"], options);
    return undefined;
  } catch (error) {
    return `and apt-get could not install it (${(error as Error).message.trim().split("\n").at(-1)})`;
  }
}
