// The tags that a command's options give.
import type { Config } from "../config/config.ts";
import { EtcdsafeError } from "../errors.ts";

/** Throws USAGE for a name with two values. */
export function tagsOf(config: Config): Record<string, string> {
  const pairs = config.all("tag").map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)] as const);
  const [name, values] = [...Map.groupBy(pairs, ([each]) => each)].find(([, same]) => same.length > 1) ?? [];
  if (values === undefined) return Object.fromEntries(pairs);
  const given = values.map(([, value]) => `"${value}"`).join(" and ");
  throw new EtcdsafeError("USAGE", `${config.said("tag")}: ${name} is given as ${given}`, { hint: "A backup has one value of each tag." });
}

/** `name=value`, as they are given. */
export function tagsText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}
