import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tagsOf, tagsText } from "../../src/cli/tags.ts";
import { readConfig } from "../../src/config/config.ts";
import { faultText } from "../../src/config/origin.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function given(...texts: readonly string[]) {
  const { config, faults } = await readConfig({ command: "save", flags: new Map([["tag", texts]]), environment: {} });
  return { config, faults: faults.map(faultText) };
}

test("tags: none, one, and several; a value may be empty, or hold = and blanks", async () => {
  const none = await readConfig({ command: "save", flags: new Map(), environment: {} });
  expect(tagsOf(none.config)).toEqual({});
  const { config, faults } = await given("env=prod", "note=a = b ü", "empty=", "app.kubernetes.io/name=etcd", "env=prod");
  expect(faults).toEqual([]);
  expect(tagsOf(config)).toEqual({ env: "prod", note: "a = b ü", empty: "", "app.kubernetes.io/name": "etcd" });
  expect(tagsText(tagsOf(config))).toBe("env=prod, note=a = b ü, empty=, app.kubernetes.io/name=etcd");
});

test("tags: a comma in a value is refused: `prune --keep-tag` could not name it", async () => {
  expect((await given("x=1,y=2")).faults).toEqual([expect.stringMatching(/without commas/)]);
});

test("tags: from a list in the configuration file, and one from the environment", async () => {
  await using directory = await temporaryDirectory("tags");
  const path = join(directory.path, "etcdsafe.yaml");
  await writeFile(path, "tag: [env=prod, 'reason=before 3.7']\n");
  const file = await readConfig({ command: "save", flags: new Map([["config", [path]]]), environment: {} });
  expect(tagsOf(file.config)).toEqual({ env: "prod", reason: "before 3.7" });
  const environment = await readConfig({ command: "save", flags: new Map(), environment: { ETCDSAFE_TAG: "env=prod" } });
  expect(tagsOf(environment.config)).toEqual({ env: "prod" });
});

test.each(["env", "=prod", "-x=1", "__proto__=1", "a b=1", `${"n".repeat(64)}=1`, `n=${"v".repeat(257)}`, "n=a\nb", "n=\x1b[2J"])(
  "tags: %j is refused",
  async (text) => {
    expect((await given(text)).faults).toEqual([expect.stringContaining("is not NAME=VALUE, the name of")]);
  },
);

test("tags: a name with two values is refused", async () => {
  const { config } = await given("env=prod", "env=dev");
  await expectThrown("USAGE", () => tagsOf(config), /^--tag: env is given as "prod" and "dev"$/);
});
