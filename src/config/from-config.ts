// How the source of a copy is reached and opened: as the target is, or by a file of its own. --from-config.
import type { Config } from "./config.ts";
import { readConfigFile } from "./config-file.ts";
import { isAboutStores, OPTION_NAMES, type OptionName } from "./options.ts";
import type { Fault } from "./origin.ts";

/** What opens the source: given on the command line or in the environment as well. */
const OPENING: readonly OptionName[] = ["identity-file", "passphrase-file", "trusted-key", "as-of"];
/** The target's own: two repositories in one state store would overwrite each other's. */
const OF_THE_TARGET: readonly OptionName[] = ["state-url"];

/** Never throws; the other keys of the file do not count, but have to be right. */
export async function readFromConfig(config: Config): Promise<{ readonly config: Config; readonly faults: readonly Fault[] }> {
  const path = config.get("from-config");
  if (path === undefined) return { config: config.without(OF_THE_TARGET), faults: [] };
  const { settings, faults } = await readConfigFile(path);
  let source = config.without(OPTION_NAMES.filter((name) => isAboutStores(name) && !OPENING.includes(name)));
  for (const [name, setting] of settings) {
    const counts = OPENING.includes(name) ? config.origin(name).kind === "default" : isAboutStores(name);
    if (counts) source = source.with(name, setting);
  }
  return { config: source, faults };
}
