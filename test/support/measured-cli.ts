// The etcdsafe command line as something to measure: what to start, instead of a running child.
import { fileURLToPath } from "node:url";
import { NODE } from "./cli.ts";

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const LAUNCHER = fileURLToPath(new URL("../../bin/etcdsafe.js", import.meta.url));

export function cliCommand(args: readonly string[]): Command {
  return { file: NODE, args: [LAUNCHER, ...args], env: neutralEnvironment() };
}

/** The caller's, without what would configure etcdsafe, etcd's tools or Node. */
export function neutralEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ETCDCTL_|ETCDSAFE_|ETCD_|NODE_OPTIONS$|VITEST)/.test(name)));
}
