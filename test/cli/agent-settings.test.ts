import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { agentSettings, listenOptions, readAgain, watchConfiguration } from "../../src/cli/agent-settings.ts";
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
  expect(agentSettings(await again()).schedules.save?.text).toBe("0 * * * *");
  expect(agentSettings(await again({ ETCDSAFE_SAVE_SCHEDULE: "5 * * * *" })).schedules.save?.text).toBe("5 * * * *");
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

/** Watches with a sleep that ends when somebody says so. */
function watch(path: string | undefined) {
  const over = new AbortController();
  let polls = 0;
  let poll = () => {};
  const sleep = (_: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      polls++;
      poll = resolve;
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  const watched = watchConfiguration(path === undefined ? [] : [path, "/dev/null"], sleep);
  /** Until it sleeps again, or has told. */
  const settled = async (before: number, told: () => boolean) => {
    for (let tries = 0; tries < 400 && polls === before && !told(); tries++) await delay(5);
  };
  return {
    over,
    /** Whether it tells of a change, once it has looked again after `change`. */
    async tells(change: () => Promise<unknown> | unknown): Promise<boolean> {
      let told = false;
      const stop = new AbortController();
      const changed = watched.changed(AbortSignal.any([over.signal, stop.signal])).then(() => {
        told = !stop.signal.aborted;
      });
      await settled(polls - 1, () => told);
      const before = polls;
      await change();
      poll();
      await settled(before, () => told);
      stop.abort();
      await changed;
      return told;
    },
    watched,
    [Symbol.dispose]: () => {
      over.abort();
      watched[Symbol.dispose]();
    },
  };
}

test("agent settings: a file that is written again, or replaced by a rename, has changed when its content has", async () => {
  await using directory = await temporaryDirectory("agent-settings");
  const path = join(directory.path, "agent.yaml");
  await writeFile(path, "a: 1\n");
  using watched = watch(path);
  expect(await watched.tells(() => undefined)).toBe(false);
  expect(await watched.tells(() => writeFile(path, "a: 2\n"))).toBe(true);
  expect(await watched.tells(() => undefined)).toBe(false);
  expect(await watched.tells(() => writeFile(path, "a: 2\n"))).toBe(false);
  const replace = async (text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  expect(await watched.tells(() => replace("a: 3\n"))).toBe(true);
  expect(await watched.tells(() => replace("a: 3\n"))).toBe(false);
});

test("agent settings: a file that is away is being replaced: it is looked at again when it is back", async () => {
  await using directory = await temporaryDirectory("agent-settings");
  const path = join(directory.path, "agent.yaml");
  await writeFile(path, "a: 1\n");
  using watched = watch(path);
  expect(await watched.tells(() => rm(path))).toBe(false);
  expect(await watched.tells(() => writeFile(path, "a: 1\n"))).toBe(false);
  expect(await watched.tells(() => rm(path))).toBe(false);
  expect(await watched.tells(() => writeFile(path, "a: 2\n"))).toBe(true);
});

test("agent settings: a ConfigMap's file changes by the link that its directory is", async () => {
  await using directory = await temporaryDirectory("agent-settings");
  // As kubelet does it: agent.yaml -> ..data/agent.yaml, ..data -> ..<time>, and the link ..data replaced by a rename.
  const version = async (name: string, text: string) => {
    await mkdir(join(directory.path, name));
    await writeFile(join(directory.path, name, "agent.yaml"), text);
    await symlink(name, join(directory.path, "..data_tmp"));
    await rename(join(directory.path, "..data_tmp"), join(directory.path, "..data"));
  };
  await version("..2026_11_22_04_00_00.1", "a: 1\n");
  await symlink("..data/agent.yaml", join(directory.path, "agent.yaml"));
  using watched = watch(join(directory.path, "agent.yaml"));
  expect(await watched.tells(() => undefined)).toBe(false);
  expect(await watched.tells(() => version("..2026_11_22_05_00_00.2", "a: 2\n"))).toBe(true);
  expect(await watched.tells(() => rm(join(directory.path, "..2026_11_22_04_00_00.1"), { recursive: true }))).toBe(false);
  expect(await watched.tells(() => version("..2026_11_22_06_00_00.3", "a: 2\n"))).toBe(false);
});

test("agent settings: SIGHUP tells at once, also without a file and while nobody waits, and is no longer heard at the end", async () => {
  const before = process.listenerCount("SIGHUP");
  {
    using watched = watch(undefined);
    expect(await watched.tells(() => undefined)).toBe(false);
    const { signal } = new AbortController();
    const first = watched.watched.changed(signal);
    process.emit("SIGHUP", "SIGHUP");
    await first;
    process.emit("SIGHUP", "SIGHUP");
    process.emit("SIGHUP", "SIGHUP");
    await watched.watched.changed(signal);
    expect(await watched.tells(() => undefined)).toBe(false);
    expect(process.listenerCount("SIGHUP")).toBe(before + 1);
  }
  expect(process.listenerCount("SIGHUP")).toBe(before);
});
