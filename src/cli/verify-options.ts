// How deep and with which keys backups are read back: of `verify`, of `save --verify`, and of the agent.
import { tmpdir } from "node:os";
import type { VerifyLevel, VerifyOptions } from "../verify/options.ts";
import type { Invocation } from "./command.ts";
import { keysOf, provesOrigin } from "./protection.ts";

/** Throws as keysOf. */
export async function verifyOptions(invocation: Invocation, level: VerifyLevel): Promise<VerifyOptions> {
  const { config, runtime, signal } = invocation;
  const spoolDirectory = config.get("spool-dir") ?? tmpdir();
  return { runtime, signal, level, keys: await keysOf(invocation), provesOrigin: provesOrigin(config), spoolDirectory, stepPrefix: "" };
}
