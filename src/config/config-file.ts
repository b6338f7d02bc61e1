// The configuration file: YAML whose keys are the names of options, with every fault found at once. Loaded only where a file is named: zod and yaml are slow to load.
import { dirname } from "node:path";
import { z } from "zod";
import { privateKeyIn } from "./file-content.ts";
import { OPTION_NAMES, type OptionName, optionSpec } from "./options.ts";
import type { Fault, Origin } from "./origin.ts";
import { nearest } from "./suggest.ts";
import { type ReadValue, readList, readOpenValue, readSeveral } from "./value.ts";
import { readYamlFile } from "./yaml-file.ts";

export type Setting = {
  readonly value: string | number | boolean | readonly string[];
  readonly origin: Origin;
  /** Of an option that was given more than once: all of its values. */
  readonly all?: readonly string[];
};

export interface ConfigFile {
  readonly settings: ReadonlyMap<OptionName, Setting>;
  readonly faults: readonly Fault[];
}

/** One file cannot name another. */
const KEYS = OPTION_NAMES.filter((name) => name !== "config");

/** Never throws: what is wrong with the file, or with reading it, is in `faults`. Relative paths in it start from its directory. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const { tree, faults, lineOf } = await readYamlFile(path);
  if (tree === undefined || tree === null) return { settings: new Map(), faults }; // Null: empty, or nothing but comments.
  if (typeof tree === "string" || Array.isArray(tree))
    return { settings: new Map(), faults: [{ origin: { kind: "file", path, line: lineOf([]) }, text: "holds something else than keys with values" }] };
  const settings = new Map<OptionName, Setting>();
  const found: Fault[] = [];
  for (const [key, written] of Object.entries(tree)) {
    const origin: Origin = { kind: "file", path, line: lineOf([key]) };
    const name = KEYS.find((each) => each === key);
    const read = name === undefined ? undefined : valueSchema(name, dirname(path)).safeParse(written);
    if (privateKeyIn(key) !== undefined) found.push({ origin, text: "a private key stands where the name of an option is expected" });
    else if (name === undefined || read === undefined) found.push({ origin, key, text: unknownKey(key) });
    else if (read.data === undefined) found.push({ origin, key, text: read.error?.issues[0]?.message ?? "is not understood" });
    else settings.set(name, { ...read.data, origin });
  }
  return { settings, faults: found };
}

function valueSchema(name: OptionName, directory: string) {
  const spec = optionSpec(name);
  const one = z.string({
    error: ({ input }) => (input === null ? "has no value" : `takes one value, not ${Array.isArray(input) ? "a list" : "keys of its own"}`),
  });
  const many = z.array(z.string());
  const written =
    spec.kind === "list" || spec.several
      ? z.union([one, many], { error: ({ input }) => (input === null ? "has no value" : "takes one value or a list of them") })
      : one;
  return written.transform((value, context) => {
    const isOne = typeof value === "string";
    const read: ReadValue = isOne
      ? readOpenValue(spec, value, directory)
      : spec.several
        ? readSeveral(spec, value, directory)
        : readList(spec, value, directory);
    if ("value" in read) return read;
    context.addIssue(read.refused);
    return z.NEVER;
  });
}

function unknownKey(key: string): string {
  const suggestion = nearest(key.toLowerCase().replaceAll("_", "-"), KEYS);
  return suggestion === undefined ? "is not the name of an option" : `is not the name of an option; did you mean ${suggestion}?`;
}
