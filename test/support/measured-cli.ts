// The etcdsafe command line as something to measure: built, as the published package is. Running src/ as it stands would measure Node's
// TypeScript stripper as well, which takes half a second and 30 MB.
import { cp, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NODE } from "./cli.ts";
import { outputOf } from "./command.ts";

/** What to start. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Builds the package into `directory`, which must be empty; gives what makes a command of etcdsafe's arguments. */
export async function buildCli(directory: string): Promise<(...args: readonly string[]) => Command> {
  await outputOf(NODE, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", join(ROOT, "tsconfig.build.json"), "--outDir", join(directory, "dist")]);
  for (const each of ["bin", "package.json"]) await cp(join(ROOT, each), join(directory, each), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
  return (...args) => ({ file: NODE, args: [join(directory, "bin/etcdsafe.js"), ...args], env: neutralEnvironment() });
}

/** The caller's, without what would configure etcdsafe, etcd's tools or Node. */
export function neutralEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ETCDCTL_|ETCDSAFE_|ETCD_|NODE_OPTIONS$|VITEST)/.test(name)));
}
