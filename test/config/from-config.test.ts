import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { readFromConfig } from "../../src/config/from-config.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("from-config");
const file = join(directory.path, "from.yaml");
afterAll(() => directory.remove());

async function source(flags: Readonly<Record<string, string>>, yaml?: string) {
  await rm(file, { force: true });
  if (yaml !== undefined) await writeFile(file, yaml);
  const given = Object.entries({ ...flags, ...(yaml === undefined ? {} : { "from-config": file }) }).map(([name, text]) => [name, [text]] as const);
  const { config, faults } = await readConfig({ command: "copy", flags: new Map(given as never), environment: { ETCDSAFE_S3_REGION: "of-the-target" } });
  expect(faults).toEqual([]);
  return readFromConfig(config);
}

test("--from-config: without it the source is reached and opened as the target is, but for the target's state", async () => {
  const { config, faults } = await source({ "s3-endpoint": "http://both", "state-url": "/state", "identity-file": "own.txt" });
  expect(faults).toEqual([]);
  expect([config.get("s3-endpoint"), config.get("s3-region"), config.get("identity-file"), config.get("state-url")]).toEqual([
    "http://both",
    "of-the-target",
    ["own.txt"],
    undefined,
  ]);
});

test("--from-config: how the source is reached is in the file alone; what opens it counts from there unless it is given; the rest does not count", async () => {
  const yaml = "s3-endpoint: http://from\nstate-url: state\nidentity-file: theirs.txt\nas-of: 2026-11-21T07:00:00Z\nendpoints: http://etcd:2379\nlast: 3\n";
  const { config } = await source({ "s3-path-style": "true", "as-of": "2026-11-20T07:00:00Z" }, yaml);
  expect([config.get("s3-endpoint"), config.get("s3-region"), config.get("s3-path-style")]).toEqual(["http://from", undefined, false]);
  expect([config.get("state-url"), config.get("identity-file")]).toEqual([join(directory.path, "state"), [join(directory.path, "theirs.txt")]]);
  expect([config.get("as-of"), config.get("last")]).toEqual(["2026-11-20T07:00:00.000Z", undefined]);
});

test("--from-config: what is wrong in it is a fault", async () => {
  expect((await source({}, "s3-endpiont: x\n")).faults).toMatchObject([{ key: "s3-endpiont", text: expect.stringContaining("did you mean s3-endpoint") }]);
});
