import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { NODE } from "../support/cli.ts";
import { runCommand } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PROVISION = new URL("../../scripts/provision/promtool.ts", import.meta.url).href;
const SCRIPT = `import { provisionPromtool } from "${PROVISION}";
console.log(await provisionPromtool().catch((error) => error.name + ": " + error.message));`;

/** What provisioning says, where nothing is at hand but what `env` names. */
async function provisioned(directory: string, env: NodeJS.ProcessEnv): Promise<string> {
  const options = { cwd: fileURLToPath(new URL("../..", import.meta.url)), env: { PATH: directory, ETCDSAFE_CACHE: join(directory, "cache"), ...env } };
  return (await runCommand(NODE, ["--input-type=module", "--eval", SCRIPT], options)).stdout.trim();
}

async function fake(path: string, version: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\necho "promtool, version ${version} (branch: HEAD)"\n`);
  await chmod(path, 0o755);
  return path;
}

test("promtool: the one that is named is taken, or refused where it is none or too old", async () => {
  await using directory = await temporaryDirectory("promtool");
  const at = (name: string) => join(directory.path, name);
  const recent = await fake(at("recent"), "3.7.3");
  expect(await provisioned(directory.path, { ETCDSAFE_PROMTOOL: recent })).toBe(recent);
  for (const named of [await fake(at("old"), "2.41.0"), at("absent")]) {
    expect(await provisioned(directory.path, { ETCDSAFE_PROMTOOL: named })).toMatch(`ProvisionError: ETCDSAFE_PROMTOOL=${named} is no promtool`);
  }
});

test("promtool: the one on the PATH is taken, and where there is neither it nor apt-get, that is said", async () => {
  await using directory = await temporaryDirectory("promtool");
  expect(await provisioned(directory.path, {})).toMatch(/^ProvisionError: promtool is missing, .*there is no apt-get or dpkg-deb here; set ETCDSAFE_PROMTOOL/);
  await fake(join(directory.path, "promtool"), "2.42.0");
  expect(await provisioned(directory.path, {})).toBe("promtool");
});
