import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentSettings, listenOptions, readAgain } from "../../src/cli/agent-settings.ts";
import { readConfig } from "../../src/config/config.ts";
import type { OptionName } from "../../src/config/options.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

function parsed(flags: Partial<Record<OptionName, string>>) {
  const given = new Map(Object.entries(flags).map(([name, text]) => [name as OptionName, [text]]));
  return { command: "agent" as const, operands: [], flags: given };
}

async function configOf(flags: Partial<Record<OptionName, string>>) {
  const { config, faults } = await readConfig({ ...parsed(flags), environment: {} });
  expect(faults).toEqual([]);
  return config;
}

test.each([
  [undefined, "127.0.0.1", 9379],
  [":9379", "::", 9379],
  ["0.0.0.0:80", "0.0.0.0", 80],
  ["[::1]:9379", "::1", 9379],
  ["[fe80::1:2]:65535", "fe80::1:2", 65_535],
  ["agent.example:0", "agent.example", 0],
])("agent settings: --listen %s", async (listen, host, port) => {
  const config = await configOf(listen === undefined ? {} : { listen });
  expect(listenOptions(config)).toEqual({ host, port, tls: undefined, tokenFile: undefined });
});

test.each(["9379", "::1:9379", "127.0.0.1", "http://127.0.0.1:9379", "[::1]", "a b:1", ":123456"])("agent settings: --listen %s is refused", async (listen) => {
  const { faults } = await readConfig({ ...parsed({ listen }), environment: {} });
  expect(faults).toMatchObject([{ text: expect.stringMatching(/is not HOST:PORT, or :PORT for all addresses$/) }]);
});

test("agent settings: a port that there is not, and a certificate or a key alone, are refused", async () => {
  for (const port of [65_536, 99_999]) {
    const config = await configOf({ listen: `:${port}` });
    await expectThrown("CONFIG_INVALID", () => listenOptions(config), new RegExp(`^--listen: ${port} is no port$`));
  }
  const [cert, key] = [await configOf({ "listen-cert": "/c.pem" }), await configOf({ "listen-key": "/k.pem" })];
  await expectThrown("CONFIG_INVALID", () => listenOptions(cert), /^--listen-cert is given alone$/);
  await expectThrown("CONFIG_INVALID", () => listenOptions(key), /^--listen-key is given alone$/);
  const both = await configOf({ "listen-cert": "/c.pem", "listen-key": "/k.pem", "listen-token-file": "/t" });
  expect(listenOptions(both)).toMatchObject({ tls: { certFile: "/c.pem", keyFile: "/k.pem" }, tokenFile: "/t" });
});

test("agent settings: schedules by the time zone that is named, and none where none is given", async () => {
  const flags = { "save-schedule": "0 * * * *", "prune-schedule": "30 5 * * *", "schedule-timezone": "Europe/Berlin", cluster: "prod", repository: "/r" };
  const { schedules, ...others } = agentSettings(await configOf(flags));
  expect(others).toEqual({ cluster: "prod", repositories: ["/r"], timezone: "Europe/Berlin" });
  expect(schedules).toMatchObject({ save: { text: "0 * * * *" }, verify: null, prune: { text: "30 5 * * *", timezone: "Europe/Berlin" } });
  expect(schedules.prune!.next(new Date("2026-11-22T00:00:00Z"))).toEqual(new Date("2026-11-22T04:30:00Z"));
  const wrong = await configOf({ "verify-schedule": "every night" });
  await expectThrown("CONFIG_INVALID", () => agentSettings(wrong), /^--verify-schedule: "every night" /);
});

test("agent settings: what is wrong with a file that was changed is said, and nothing of it taken", async () => {
  await using directory = await temporaryDirectory("agent-settings");
  const path = join(directory.path, "agent.yaml");
  const write = (text: string) => writeFile(path, text);
  const again = (environment = {}) => readAgain(parsed({ config: path }), environment);
  await write("save-schedule: 0 * * * *\n");
  expect(agentSettings((await again()).config).schedules.save?.text).toBe("0 * * * *");
  expect(agentSettings((await again({ ETCDSAFE_SAVE_SCHEDULE: "5 * * * *" })).config).schedules.save?.text).toBe("5 * * * *");
  await write("save-schedule: 0 * * * *\ntextfile: metrics.txt\n");
  expect((await again()).faults).toMatchObject([{ key: "textfile", text: expect.stringContaining("ends in .prom") }]);
  for (const [text, message] of [
    ["save-schedule: [", /agent\.yaml/],
    ["save-shedule: 0 * * * *", /save-shedule is not the name of an option; did you mean save-schedule/],
    ["save-schedule: 0 * * *", /^save-schedule \(.*agent\.yaml:1\): "0 \* \* \*" /],
    ["listen: nowhere", /is not HOST:PORT/],
  ] as const) {
    await write(text);
    await expectThrown("CONFIG_INVALID", () => again(), message);
  }
  await write("no-spool: true\nspool-dir: /s\n");
  await expectThrown("USAGE", () => again(), /^no-spool .* and spool-dir .*: there is no local copy to put there$/);
  await rm(path);
  await expectThrown("CONFIG_INVALID", () => again(), /agent\.yaml/);
});
