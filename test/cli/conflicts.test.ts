import { expect, test } from "vitest";
import { refuseTogether } from "../../src/cli/conflicts.ts";
import { type Environment, readConfig } from "../../src/config/config.ts";
import type { OptionName } from "../../src/config/options.ts";

/** What `--no-spool` with others than it is refused with. */
async function refusal(options: Partial<Record<OptionName, string>>, environment: Environment = {}): Promise<string | undefined> {
  const flags = new Map(Object.entries(options).map(([name, text]) => [name as OptionName, [text]]));
  const { config, faults } = await readConfig({ command: "save", flags, environment });
  expect(faults).toEqual([]);
  try {
    refuseTogether(config, "no-spool", ["output", "spool-dir"], "one or the other");
    return undefined;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message}`;
  }
}

test("conflicts: two that were typed are refused, and named as they are", async () => {
  expect(await refusal({ "no-spool": "true", "spool-dir": "/s" })).toBe("USAGE --no-spool and --spool-dir: one or the other");
  expect(await refusal({ "no-spool": "true", "spool-dir": "/s", output: "x.db" })).toBe("USAGE --no-spool and --output: one or the other");
});

test("conflicts: one alone, or the others among themselves, are none", async () => {
  expect(await refusal({ "no-spool": "true" })).toBeUndefined();
  expect(await refusal({ "spool-dir": "/s", output: "x.db" })).toBeUndefined();
});

test("conflicts: what the environment says is a default for many commands, and a flag beats it", async () => {
  expect(await refusal({ "no-spool": "true" }, { ETCDSAFE_SPOOL_DIR: "/s" })).toBeUndefined();
  expect(await refusal({ "spool-dir": "/s" }, { ETCDSAFE_NO_SPOOL: "true" })).toBeUndefined();
});

test("conflicts: a boolean that is turned off asks for nothing", async () => {
  expect(await refusal({ "no-spool": "false", "spool-dir": "/s" })).toBeUndefined();
});
