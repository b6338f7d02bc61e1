// `etcdsafe config show`: what every option comes down to, and why. It shows what it can where the configuration has faults, and then fails with them.
import { throwFaults } from "../../config/config-error.ts";
import { OPTION_NAMES, optionSpec } from "../../config/options.ts";
import { faultDocument, originText } from "../../config/origin.ts";
import { shownValue } from "../../config/redact.ts";
import type { Invocation } from "../command.ts";
import { table } from "../output.ts";

export async function run({ config, faults, output }: Invocation): Promise<number> {
  const options = OPTION_NAMES.map((name) => {
    const several = config.all(name);
    const value: string | number | boolean | readonly string[] | undefined = optionSpec(name).several && several.length > 1 ? several : config.get(name);
    const origin = config.origin(name);
    return { name, value: value === undefined ? null : shownValue(name, value), origin: origin.kind, from: originText(origin) };
  });
  const columns = [
    { title: "option", of: ({ name }: (typeof options)[number]) => name },
    { title: "value", of: ({ name, value }: (typeof options)[number]) => value ?? `(${optionSpec(name).defaultText ?? "none"})` },
    { title: "from", of: ({ from }: (typeof options)[number]) => from },
  ];
  output.print({ options, faults: faults.map(faultDocument) }, () => table(options, columns));
  throwFaults(faults);
  return 0;
}
