// Chromium, in which the agent's page is looked at: one the user names, the system's, or the distribution's package with what it needs, unpacked into the cache
// (nothing is installed, and nobody has to be root).
import { execFile } from "node:child_process";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cached } from "./cache.ts";
import { ProvisionError } from "./provision-error.ts";

export interface Chromium {
  readonly path: string;
  /** What it needs beside the environment of this process. */
  readonly env: Readonly<Record<string, string>>;
}

const DOWNLOAD_LIMIT_MS = 10 * 60_000;
const VERSION_LIMIT_MS = 30_000;
/** The smallest package of it that Debian has: no windows. */
const PACKAGE = "chromium-headless-shell";
const SYSTEM_NAMES = ["chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"];

const run = promisify(execFile);
let known: Promise<Chromium> | undefined;

/** A Chromium that runs; rejects with a ProvisionError whose message says how to get one. */
export function provisionChromium(): Promise<Chromium> {
  known ??= find();
  return known;
}

async function find(): Promise<Chromium> {
  const named = process.env["ETCDSAFE_CHROMIUM"];
  if (named !== undefined) {
    if (await works({ path: named, env: {} })) return { path: named, env: {} };
    throw new ProvisionError(`ETCDSAFE_CHROMIUM=${named} is no Chromium; unset it to have one looked for.`);
  }
  for (const path of SYSTEM_NAMES) if (await works({ path, env: {} })) return { path, env: {} };
  const root = await cached(PACKAGE, unpack, () => process.stderr.write("Waiting for another process that unpacks Chromium …\n"));
  const unpacked = await inside(root);
  if (await works(unpacked)) return unpacked;
  throw new ProvisionError(`the Chromium in ${root} does not run; remove that directory to have it unpacked again, ${OTHER_WAY}.`);
}

const OTHER_WAY = 'or run "apt-get install chromium" (or your system\'s own), or set ETCDSAFE_CHROMIUM to a chromium binary';

async function works({ path, env }: Chromium): Promise<boolean> {
  const output = await run(path, ["--version"], { timeout: VERSION_LIMIT_MS, env: { ...process.env, ...env } }).catch(() => undefined);
  return /chrom/i.test(output?.stdout ?? "");
}

async function unpack(directory: string): Promise<void> {
  process.stderr.write("Unpacking Debian's package of Chromium (once) …\n");
  await download(directory).catch(async (error: Error) => {
    if (process.geteuid?.() !== 0) throw refused(error);
    await run("apt-get", ["update", "-qq"], { timeout: DOWNLOAD_LIMIT_MS }).catch((failure: Error) => Promise.reject(refused(failure))); // The lists are missing, or name versions that are gone.
    await download(directory).catch((failure: Error) => Promise.reject(refused(failure)));
  });
  const packages = join(directory, "packages");
  for (const name of await readdir(packages)) await run("dpkg-deb", ["-x", join(packages, name), directory], { timeout: DOWNLOAD_LIMIT_MS });
  await rm(packages, { recursive: true });
  await writeFile(join(directory, "fonts.conf"), FONTS);
}

/** The package, and whatever of its dependencies this system has not. */
async function download(directory: string): Promise<void> {
  const packages = join(directory, "packages");
  await rm(packages, { recursive: true, force: true });
  await mkdir(packages);
  const options = { timeout: DOWNLOAD_LIMIT_MS, maxBuffer: 64 * 1024 * 1024, cwd: packages, env: { ...process.env, LC_ALL: "C" } };
  const { stdout } = await run("apt-get", ["install", "--simulate", "--no-install-recommends", PACKAGE, "fonts-dejavu-core"], options);
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
  await run("apt-get", ["download", "-qq", ...names], options);
}

function refused(error: Error): ProvisionError {
  return new ProvisionError(`Chromium is missing, and apt-get could not get it (${error.message.trim().split("\n").at(-1)}); ${OTHER_WAY.slice(3)}.`);
}

async function inside(root: string): Promise<Chromium> {
  const found = await readdir(join(root, "usr/lib"), { withFileTypes: true, recursive: true });
  const libraries = [...new Set(found.filter(({ name }) => /\.so(\.|$)/.test(name)).map(({ parentPath }) => parentPath))];
  const own = process.env["LD_LIBRARY_PATH"] ?? "";
  return {
    path: join(root, "usr/lib/chromium", PACKAGE),
    env: { LD_LIBRARY_PATH: [...libraries, ...(own === "" ? [] : [own])].join(":"), FONTCONFIG_FILE: join(root, "fonts.conf") },
  };
}

/** The system's fonts, and those that were unpacked. */
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;
