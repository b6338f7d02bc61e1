// Adds to package-lock.json the platform packages (Biome's and knip's native parts) that npm left out because the registry it was run against
// does not serve them: with an entry missing, `npm ci` fails everywhere. To be run after `npm install` of something new; `--check` only looks.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

const path = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock: { packages: Record<string, LockedPackage> } = JSON.parse(readFileSync(path, "utf8"));
const missing = missingPackages(lock.packages);
const names = missing.map(([at]) => at.replace("node_modules/", "")).join(", ");

if (process.argv.includes("--check")) {
  if (missing.length > 0) process.stderr.write(`package-lock.json lacks ${names}; "node scripts/complete-lock.ts" adds them.\n`);
  process.exitCode = missing.length === 0 ? 0 : 1;
} else if (missing.length > 0) {
  const packages = Object.entries(lock.packages).concat(missing);
  lock.packages = Object.fromEntries(packages.sort(([a], [b]) => a.localeCompare(b, "en")));
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  process.stdout.write(`Added ${names}.\n`);
}

/** Optional dependencies that no entry provides. Their versions are exact where a package names its own native parts. */
function missingPackages(packages: Readonly<Record<string, LockedPackage>>): [string, LockedPackage][] {
  return Object.entries(packages).flatMap(([at, parent]) =>
    Object.entries(parent.optionalDependencies ?? {})
      .filter(([name]) => packages[`${at}/node_modules/${name}`] === undefined && packages[`node_modules/${name}`] === undefined)
      .map(([name, version]): [string, LockedPackage] => [`node_modules/${name}`, platformPackage(name, version, parent.dev ?? false)]),
  );
}

/** Without integrity, which only the registry knows; npm looks at os, cpu and libc before it fetches anything. */
function platformPackage(name: string, version: string, dev: boolean): LockedPackage {
  const [, os, cpu, abi] = /(android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)(?:-(\w+))?$/.exec(name) ?? [];
  if (os === undefined || cpu === undefined) throw new Error(`${name}@${version} is missing and its name tells no platform`);
  const libc = abi?.startsWith("musl") ? ["musl"] : os === "linux" && abi?.startsWith("gnu") ? ["glibc"] : undefined;
  return { version, cpu: [cpu], ...(dev ? { dev } : {}), ...(libc === undefined ? {} : { libc }), optional: true, os: [os] };
}
