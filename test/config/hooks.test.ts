// Whom a run tells, by URLs in files and in the environment.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Environment, readConfig } from "../../src/config/config.ts";
import { readHooks } from "../../src/config/hooks.ts";
import type { OptionName } from "../../src/config/options.ts";
import { faultText } from "../../src/config/origin.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function hooksOf(flags: Partial<Record<OptionName, string>>, environment: Environment = {}) {
  const given = new Map(Object.entries(flags).map(([name, text]) => [name as OptionName, [text]]));
  const { config } = await readConfig({ command: "save", flags: given, environment });
  const { hooks, faults } = await readHooks(config);
  return { heartbeat: hooks.heartbeat?.href, notify: hooks.notify?.href, faults: faults.map(faultText) };
}

test("hooks: from files, as Kubernetes mounts them, and from the environment", async () => {
  await using directory = await temporaryDirectory("hooks");
  const path = join(directory.path, "url");
  await writeFile(path, "https://hc.example/6a9f5c3e?x=1\n");
  expect(await hooksOf({ "heartbeat-file": path })).toEqual({ heartbeat: "https://hc.example/6a9f5c3e?x=1", notify: undefined, faults: [] });
  const environment = { ETCDSAFE_NOTIFY_FILE: path, ETCDSAFE_HEARTBEAT: "https://hc.example/ping" };
  expect(await hooksOf({}, environment)).toEqual({ heartbeat: "https://hc.example/ping", notify: "https://hc.example/6a9f5c3e?x=1", faults: [] });
  expect(await hooksOf({})).toEqual({ heartbeat: undefined, notify: undefined, faults: [] });
});

test.each([
  ["", /is empty$/],
  ["hidden", /holds no URL that begins with http:/],
  ["http//me:hidden@a.example/", /holds no URL that begins with http:/],
  ["gopher://me:hidden@a.example/", /holds no URL that begins with http:/],
  ["https://a.example:port/hidden", /holds no URL that begins with http:/],
  ["https://a.example/hidden hidden", /holds no URL that begins with http:/],
  ["https://", /holds no URL that begins with http:/],
  ["https://%hidden@a.example/", /has a % in its user or password that is not percent-encoded$/],
  ["https://a.example/hidden\nhttps://b.example/hidden\n", /holds more than one line with a URL$/],
  [undefined, /cannot be read: there is no such file$/],
])("hooks: what a file holds that is no URL is a fault, and not repeated (%#)", async (content, fault) => {
  await using directory = await temporaryDirectory("hooks");
  const path = join(directory.path, "url");
  if (content !== undefined) await writeFile(path, content);
  const { notify, faults } = await hooksOf({ "notify-file": path });
  expect([notify, faults]).toEqual([undefined, [expect.stringMatching(fault)]]);
  expect(faults[0]).toContain("--notify-file");
  expect(faults[0]).not.toContain("hidden");
});

test("hooks: a URL that no request could be sent to is a fault before anything is done, wherever it is", async () => {
  const environment = { ETCDSAFE_HEARTBEAT: "https://me:hid%den@a.example/", ETCDSAFE_NOTIFY: "https://hid%den@a.example/" };
  const { heartbeat, notify, faults } = await hooksOf({}, environment);
  const why = "has a % in its user or password that is not percent-encoded";
  expect([heartbeat, notify, faults]).toEqual([undefined, undefined, [`ETCDSAFE_HEARTBEAT: ${why}`, `ETCDSAFE_NOTIFY: ${why}`]]);
});
