// Options that contradict each other. Only what was typed can: a file or the environment may hold defaults for many commands.
import type { Config } from "../config/config.ts";
import type { OptionName } from "../config/options.ts";
import { EtcdsafeError } from "../errors.ts";

/** Throws USAGE where `option` and one of `others` were both given as flags. `why` completes "--option and --other: …". */
export function refuseTogether(config: Config, option: OptionName, others: readonly OptionName[], why: string): void {
  const other = others.find((each) => isTyped(config, each));
  if (isTyped(config, option) && other !== undefined) throw new EtcdsafeError("USAGE", `--${option} and --${other}: ${why}`);
}

function isTyped(config: Config, name: OptionName): boolean {
  return config.origin(name).kind === "flag" && config.get(name) !== false;
}
