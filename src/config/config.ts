// What the options come down to for one command: flags beat the environment, ETCDSAFE_* beats etcdctl's ETCDCTL_*, the environment beats the
// configuration file, and that beats the defaults.
import type { Setting } from "./config-file.ts";
import type { CommandName } from "./option.ts";
import { OPTION_NAMES, type OptionName, type OptionValue, optionSpec, optionsOf, variableOf } from "./options.ts";
import { type Fault, type Origin, optionText } from "./origin.ts";
import { nearest } from "./suggest.ts";
import { type ReadValue, readList, readOpenValue, readSeveral, readValue } from "./value.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigSources {
  readonly command: CommandName;
  /** Each option that was given, with its texts in the order given. */
  readonly flags: ReadonlyMap<OptionName, readonly string[]>;
  readonly environment: Environment;
}

/** Typed values and their origins; an option that was given nowhere and has no default is undefined. */
export class Config {
  readonly #settings: ReadonlyMap<OptionName, Setting>;

  constructor(settings: ReadonlyMap<OptionName, Setting>) {
    this.#settings = settings;
  }

  get<Name extends OptionName>(name: Name): OptionValue<Name> {
    return this.#settings.get(name)?.value as OptionValue<Name>;
  }

  /** Every value of an option that may be given more than once. */
  all(name: OptionName): readonly string[] {
    const setting = this.#settings.get(name);
    return setting === undefined ? [] : (setting.all ?? [String(setting.value)]);
  }

  origin(name: OptionName): Origin {
    return this.#settings.get(name)?.origin ?? { kind: "default" };
  }

  /** As whoever gave it wrote it, for messages. */
  said(name: OptionName): string {
    return optionText(name, this.origin(name));
  }

  /** The same with this value. Where it comes from stays as it is said there. */
  with(name: OptionName, setting: Setting): Config {
    return new Config(new Map(this.#settings).set(name, setting));
  }

  /** The same, as if these options had been given nowhere. */
  without(names: readonly OptionName[]): Config {
    const settings = new Map(this.#settings);
    for (const name of names) {
      const byDefault = defaultSetting(name);
      if (byDefault === undefined) settings.delete(name);
      else settings.set(name, byDefault);
    }
    return new Config(settings);
  }
}

export interface ReadConfig {
  readonly config: Config;
  /** All that is wrong; the values concerned are left out of `config`. */
  readonly faults: readonly Fault[];
}

/** Never throws. A configuration file is checked whole, also where the command uses little of it. */
export async function readConfig({ command, flags, environment }: ConfigSources): Promise<ReadConfig> {
  const faults: Fault[] = misnamedVariables(environment);
  const settings = new Map<OptionName, Setting>();
  const put = (name: OptionName, read: ReadValue, origin: Origin) => {
    if ("value" in read) settings.set(name, { ...read, origin });
    else faults.push({ origin, key: name, text: read.refused });
  };
  const outside = (name: OptionName): void => {
    const spec = optionSpec(name);
    const texts = flags.get(name);
    const own = variableOf(name);
    if (texts !== undefined) put(name, readFlag(name, texts), { kind: "flag", flag: spec.short === undefined ? `--${name}` : `--${name} (-${spec.short})` });
    else if (environment[own]) put(name, readValue(spec, environment[own]), { kind: "environment", variable: own });
    else if (spec.etcdctl !== undefined && environment[spec.etcdctl])
      put(name, readValue(spec, environment[spec.etcdctl]!), { kind: "etcdctl", variable: spec.etcdctl });
  };

  outside("config");
  const names = optionsOf(command).filter((name) => name !== "config");
  const path = settings.get("config")?.value;
  if (typeof path === "string") {
    const file = await (await import("./config-file.ts")).readConfigFile(path);
    faults.push(...file.faults);
    for (const name of names) {
      const setting = file.settings.get(name);
      if (setting !== undefined) settings.set(name, setting);
    }
  }
  for (const name of names) outside(name);
  for (const name of names) {
    const byDefault = settings.has(name) ? undefined : defaultSetting(name);
    if (byDefault !== undefined) settings.set(name, byDefault);
  }
  return { config: new Config(settings), faults };
}

function defaultSetting(name: OptionName): Setting | undefined {
  const spec = optionSpec(name);
  const read = spec.default === undefined ? undefined : readValue(spec, spec.default);
  return read !== undefined && "value" in read ? { value: read.value, origin: { kind: "default" } } : undefined;
}

function readFlag(name: OptionName, texts: readonly string[]): ReadValue {
  const spec = optionSpec(name);
  if (spec.several) return readSeveral(spec, texts);
  return spec.kind === "list"
    ? readList(
        spec,
        texts.flatMap((text) => text.split(",")),
      )
    : readOpenValue(spec, texts.at(-1)!);
}

/** A variable that is an option's but for a slip would be ignored silently, and with it, say, a certificate. */
function misnamedVariables(environment: Environment): Fault[] {
  const known = OPTION_NAMES.map(variableOf);
  return Object.keys(environment).flatMap((variable) => {
    if (!variable.startsWith("ETCDSAFE_") || known.includes(variable)) return [];
    const meant = nearest(
      variable.slice("ETCDSAFE_".length),
      known.map((name) => name.slice("ETCDSAFE_".length)),
    );
    if (meant === undefined) return [];
    return [{ origin: { kind: "environment", variable }, text: `there is no such option; did you mean ETCDSAFE_${meant}?` }];
  });
}
