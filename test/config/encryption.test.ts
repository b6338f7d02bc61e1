import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { readAskedEncryption, readKeys } from "../../src/config/encryption.ts";
import { faultText } from "../../src/config/origin.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("encryption-options");
const at = (name: string) => join(directory.path, name);
afterAll(() => directory.remove());

async function configOf(option: "recipients-file" | "identity-file", ...paths: readonly string[]) {
  return (await readConfig({ command: "config validate", flags: new Map([[option, paths]]), environment: {} })).config;
}

test("recipients file: one that cannot be read is one fault, and so is one that names nobody", async () => {
  const faults = async (name: string) => (await readAskedEncryption(await configOf("recipients-file", at(name)), "passphrase-file")).faults.map(faultText);
  await writeFile(at("comments"), "# nobody\n\n");
  await writeFile(at("mistyped"), "age1x\n");
  expect(await faults("absent")).toEqual([`--recipients-file: ${at("absent")} cannot be read: there is no such file`]);
  expect(await faults("comments")).toEqual([`--recipients-file: ${at("comments")} names no recipient`]);
  expect(await faults("mistyped")).toEqual([expect.stringContaining(`${at("mistyped")}, line 1: "age1x" is a recipient of a kind`)]);
});

test("identity files: each is told of, with one fault for one that cannot be read or holds nothing", async () => {
  await writeFile(at("empty"), "");
  await writeFile(at("junk"), "junk\n");
  const { faults } = await readKeys(await configOf("identity-file", at("absent"), at("empty"), at("junk")));
  expect(faults.map(faultText)).toEqual([
    `--identity-file: ${at("absent")} cannot be read: there is no such file`,
    `--identity-file: ${at("empty")} holds no identity`,
    expect.stringContaining(`--identity-file: ${at("junk")}, line 1: what stands there `),
  ]);
});
