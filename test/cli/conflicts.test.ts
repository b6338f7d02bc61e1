import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settleConflicts } from "../../src/cli/conflicts.ts";
import { type Environment, readConfig } from "../../src/config/config.ts";
import type { CommandName } from "../../src/config/option.ts";
import type { OptionName } from "../../src/config/options.ts";
import { runCli } from "../support/cli.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

type Texts = Partial<Record<OptionName, string>>;

/** What of `shown` counts in the end, after what is logged; or what is refused. */
async function settled(command: CommandName, shown: readonly OptionName[], flags: Texts, environment: Environment = {}, operands: string[] = []) {
  const given = new Map(Object.entries(flags).map(([name, text]) => [name as OptionName, [text]]));
  const { config, faults } = await readConfig({ command, flags: given, environment });
  expect(faults).toEqual([]);
  const logged: string[] = [];
  try {
    const left = settleConflicts(config, command, operands, ({ message }) => void logged.push(message));
    return [...logged, ...shown.map((name) => left.get(name))];
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message}`;
  }
}

test("conflicts: two of one origin are refused, and named as they were given", async () => {
  const why = "there is no local copy to put there";
  expect(await settled("save", [], { "no-spool": "true", "spool-dir": "/s" })).toBe(`USAGE --no-spool and --spool-dir: ${why}`);
  const environment = { ETCDSAFE_NO_SPOOL: "true", ETCDSAFE_SPOOL_DIR: "/s" };
  expect(await settled("save", [], {}, environment)).toBe(`USAGE ETCDSAFE_NO_SPOOL and ETCDSAFE_SPOOL_DIR: ${why}`);
  expect(await settled("restore", [], { members: "m", "data-dir": "d" })).toBe("USAGE --members and --data-dir: the members file says that as well");
  expect(await settled("restore", [], { members: "m", "all-members": "true", name: "a" })).toMatch(/^USAGE --all-members and --name: /);
  expect(await settled("verify", [], { all: "true" }, {}, ["latest"])).toBe("USAGE --all and latest: one or the other");
  await using directory = await temporaryDirectory("conflicts");
  const file = join(directory.path, "c.yaml");
  await writeFile(file, "no-spool: true\nspool-dir: /s\n");
  expect(await settled("save", [], { config: file })).toBe(`USAGE no-spool (${file}:1) and spool-dir (${file}:2): ${why}`);
});

test("conflicts: of two origins the stronger one counts, whichever option it is, and the log says so", async () => {
  const both = ["no-spool", "spool-dir"] as const;
  const why = "there is no local copy to put there";
  expect(await settled("save", both, { "no-spool": "true" }, { ETCDSAFE_SPOOL_DIR: "/s" })).toEqual([
    `ETCDSAFE_SPOOL_DIR does not count, as --no-spool is given: ${why}`,
    true,
    undefined,
  ]);
  expect(await settled("save", both, { "spool-dir": "/s" }, { ETCDSAFE_NO_SPOOL: "true" })).toEqual([
    `ETCDSAFE_NO_SPOOL does not count, as --spool-dir is given: ${why}`,
    false,
    "/s",
  ]);
  await using directory = await temporaryDirectory("conflicts");
  const file = join(directory.path, "c.yaml");
  await writeFile(file, "repository: /r\ncluster: prod\noutput: /o.db\n");
  const shown = ["output", "repository", "cluster"] as const;
  const noRepository = "a plain snapshot goes to no repository";
  expect(await settled("save", shown, { config: file, output: "/x.db" })).toEqual([
    `repository (${file}:1), cluster (${file}:2) do not count, as --output is given: ${noRepository}`,
    "/x.db",
    undefined,
    "default",
  ]);
  expect(await settled("save", shown, { config: file, repository: "/typed" })).toEqual([
    `output (${file}:3) does not count, as --repository is given: ${noRepository}`,
    undefined,
    "/typed",
    "prod",
  ]);
  expect(await settled("save", shown, { config: file }, { ETCDSAFE_OUTPUT: "/e.db" })).toEqual([
    `repository (${file}:1), cluster (${file}:2) do not count, as ETCDSAFE_OUTPUT is given: ${noRepository}`,
    "/e.db",
    undefined,
    "default",
  ]);
});

test("conflicts: one alone, the others among themselves, and a boolean that is turned off are none", async () => {
  expect(await settled("save", ["no-spool"], { "no-spool": "true" })).toEqual([true]);
  expect(await settled("save", ["repository", "cluster"], { repository: "/r", cluster: "prod" })).toEqual(["/r", "prod"]);
  expect(await settled("save", ["no-spool", "spool-dir"], { "no-spool": "false", "spool-dir": "/s" })).toEqual([false, "/s"]);
  expect(await settled("save", ["no-spool", "spool-dir"], { "no-spool": "false" }, { ETCDSAFE_SPOOL_DIR: "/s" })).toEqual([false, "/s"]);
  expect(await settled("restore", ["bump-revision"], { "mark-compacted": "true", "bump-revision": "5" })).toEqual(["5"]);
});

test.each<[string, CommandName, Texts, Environment, readonly string[], OptionName]>([
  ["members", "restore", { members: "m.yaml" }, { ETCDSAFE_DATA_DIR: "d" }, [], "data-dir"],
  ["data-dir", "restore", { "data-dir": "d" }, { ETCDSAFE_MEMBERS: "m.yaml" }, [], "members"],
  ["data-dir", "restore", { "data-dir": "d" }, { ETCDSAFE_TO_SNAPSHOT: "x.db" }, [], "to-snapshot"],
  ["to-snapshot", "restore", { "to-snapshot": "x.db" }, { ETCDSAFE_DISTRO: "kubeadm" }, [], "distro"],
  ["name", "restore", { members: "m.yaml", name: "m0" }, { ETCDSAFE_ALL_MEMBERS: "true" }, [], "all-members"],
  ["from-plan", "restore", { "from-plan": "p.json" }, { ETCDSAFE_DATA_DIR: "d" }, [], "data-dir"],
  ["expire-leases", "restore", { "expire-leases": "true" }, { ETCDSAFE_KEEP_LEASED_KEYS: "true" }, [], "keep-leased-keys"],
  ["bump-revision", "restore", { "bump-revision": "none" }, { ETCDSAFE_MARK_COMPACTED: "true" }, [], "mark-compacted"],
  ["output", "save", { output: "-" }, { ETCDSAFE_FORMAT: "json" }, [], "format"],
  ["cluster", "list", { cluster: "prod" }, { ETCDSAFE_ALL_CLUSTERS: "true" }, [], "all-clusters"],
  ["latest", "verify", {}, { ETCDSAFE_ALL: "true" }, ["latest"], "all"],
  ["latest", "verify", {}, { ETCDSAFE_ALL_CLUSTERS: "true" }, ["latest"], "all-clusters"],
])("conflicts: a typed %s, with %s %j, beats %j", async (typed, command, flags, environment, operands, beaten) => {
  const { config } = await readConfig({ command, flags: new Map(), environment: {} });
  const [message, left] = await settled(command, [beaten], flags, environment, [...operands]);
  expect(message).toMatch(new RegExp(`^${Object.keys(environment)[0]} does not count, as (--)?${typed} is given: `));
  expect(left).toEqual(config.get(beaten));
});

test("conflicts: a typed --repository is not passed over for the output of the configuration file", async () => {
  await using directory = await temporaryDirectory("conflicts");
  await writeFile(join(directory.path, "c.yaml"), "output: x.db\n");
  const nobody = ["--endpoints", "127.0.0.1:1", "--dial-timeout", "200ms"];
  const { stderr } = await runCli(["save", "--config", "c.yaml", "--repository", "r", ...nobody], { cwd: directory.path });
  expect(stderr).toMatch(/^output \(c\.yaml:1\) does not count, as --repository is given: a plain snapshot goes to no repository\n/);
});
