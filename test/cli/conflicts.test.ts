import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { conflictFaults, settleConflicts } from "../../src/cli/conflicts.ts";
import { Config, type Environment, readConfig } from "../../src/config/config.ts";
import type { CommandName } from "../../src/config/option.ts";
import type { OptionName } from "../../src/config/options.ts";
import { type Origin, rankOf } from "../../src/config/origin.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { runCli } from "../support/cli.ts";
import { runs, SEED } from "../support/counts.ts";
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
  const checks = { "check-members": "none", "check-members-every": "6h" };
  expect(await settled("save", [], checks)).toMatch(/^USAGE --check-members-every and --check-members: no members are to be compared/);
  expect(await settled("save", ["check-members"], { ...checks, "check-members": "others" })).toEqual(["others"]);
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
  expect(await settled("save", ["check-members"], { "no-spool": "true", "check-members": "none", output: "-" })).toEqual(["none"]);
  expect(await settled("save", ["check-members"], { "check-members": "all", output: "x.db" })).toEqual(["all"]);
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
  ["output", "save", { output: "x.db" }, { ETCDSAFE_SPOOL_DIR: "/s" }, [], "spool-dir"],
  ["output", "save", { output: "-" }, { ETCDSAFE_CHECK_MEMBERS: "all" }, [], "check-members"],
  ["no-spool", "save", { "no-spool": "true" }, { ETCDSAFE_CHECK_MEMBERS: "others" }, [], "check-members"],
  ["check-members-every", "save", { "check-members-every": "1h" }, { ETCDSAFE_NO_SPOOL: "true" }, [], "no-spool"],
  ["cluster", "list", { cluster: "prod" }, { ETCDSAFE_ALL_CLUSTERS: "true" }, [], "all-clusters"],
  ["latest", "verify", {}, { ETCDSAFE_ALL: "true" }, ["latest"], "all"],
  ["latest", "verify", {}, { ETCDSAFE_ALL_CLUSTERS: "true" }, ["latest"], "all-clusters"],
])("conflicts: a typed %s, with %s %j, beats %j", async (typed, command, flags, environment, operands, beaten) => {
  const { config } = await readConfig({ command, flags: new Map(), environment: {} });
  const [message, left] = await settled(command, [beaten], flags, environment, [...operands]);
  expect(message).toMatch(new RegExp(`^${Object.keys(environment)[0]} does not count, as (--)?${typed} is given: `));
  expect(left).toEqual(config.get(beaten));
});

test("conflicts: an agent has those of all that it does", async () => {
  expect(await settled("agent", [], { "no-spool": "true", "spool-dir": "/s" })).toBe("USAGE --no-spool and --spool-dir: there is no local copy to put there");
  const both = ["heartbeat-file", "heartbeat"] as const;
  expect(await settled("agent", both, { "heartbeat-file": "/f" }, { ETCDSAFE_HEARTBEAT: "https://a.example/secret" })).toEqual([
    "ETCDSAFE_HEARTBEAT does not count, as --heartbeat-file is given: both say where to",
    "/f",
    undefined,
  ]);
  expect(await settled("agent", ["cluster"], { cluster: "prod" }, { ETCDSAFE_ALL_CLUSTERS: "true" })).toEqual(["prod"]);
});

test("conflicts: what is typed and would do nothing is refused", async () => {
  const compared = "without a local copy, no members are compared";
  expect(await settled("save", [], { "no-spool": "true", "check-members": "all" })).toBe(`USAGE --no-spool and --check-members: ${compared}`);
  expect(await settled("save", [], { "no-spool": "true", "check-members-every": "1h" })).toBe(`USAGE --no-spool and --check-members-every: ${compared}`);
  expect(await settled("save", [], { output: "-", "check-members": "others" })).toMatch(/^USAGE --output and --check-members: /);
  expect(await settled("save", [], { output: "x.db", "spool-dir": "/s" })).toBe("USAGE --output and --spool-dir: there is no local copy but the output itself");
});

test("conflicts: an option that is beaten beats nothing", async () => {
  await using directory = await temporaryDirectory("conflicts");
  const file = join(directory.path, "c.yaml");
  await writeFile(file, "members: m.yaml\n");
  const shown = ["members", "data-dir", "all-members"] as const;
  const [message, ...left] = await settled("restore", shown, { config: file, "all-members": "true" }, { ETCDSAFE_DATA_DIR: "d" });
  expect(message).toBe("ETCDSAFE_DATA_DIR does not count, as --all-members is given: all members of a file, or one");
  expect(left).toEqual([join(directory.path, "m.yaml"), undefined, true]);
});

test("conflicts: the option that is named as the one that counts is the one that contradicts", async () => {
  const environment = { ETCDSAFE_MEMBERS: "m.yaml", ETCDSAFE_EXPIRE_LEASES: "true" };
  const messages = await settled("restore", [], { "initial-cluster": "a=http://a:1", "keep-leased-keys": "true", name: "a" }, environment);
  expect(messages).toEqual([
    "ETCDSAFE_MEMBERS does not count, as --initial-cluster is given: the members file says that as well",
    "ETCDSAFE_EXPIRE_LEASES does not count, as --keep-leased-keys is given: keys that are bound to leases are deleted, or kept",
  ]);
});

test("conflicts: an operand of verify leaves nothing to contradict among what stands for all backups", async () => {
  const environment = { ETCDSAFE_ALL_CLUSTERS: "true", ETCDSAFE_CLUSTER: "prod" };
  expect(await settled("verify", ["all-clusters", "cluster"], {}, environment, ["x.db"])).toEqual([
    "ETCDSAFE_ALL_CLUSTERS does not count, as x.db is given: one or the other",
    false,
    "prod",
  ]);
});

test("conflicts: of a file that is verified no metrics are told, of a cluster that it does not belong to", async () => {
  const why = "metrics are about a cluster's backups";
  for (const operand of ["x.db", "-"]) {
    expect(await settled("verify", [], { textfile: "m.prom" }, {}, [operand])).toBe(`USAGE --textfile and ${operand}: ${why}`);
    expect(await settled("verify", ["pushgateway"], {}, { ETCDSAFE_PUSHGATEWAY: "http://push.example:9091" }, [operand])).toEqual([
      `ETCDSAFE_PUSHGATEWAY does not count, as ${operand} is given: ${why}`,
      undefined,
    ]);
  }
  expect(await settled("verify", ["textfile"], { textfile: "m.prom" }, {}, ["20261121T093000Z-01"])).toEqual(["m.prom"]);
});

test("conflicts: of random origins, what is left contradicts nothing, and what is dropped contradicts something stronger that is left", () => {
  const values = { members: "m", "data-dir": "d", "initial-cluster": "a=http://a:1", "all-members": true, name: "a", "to-snapshot": "s" } as const;
  const names = Object.keys(values) as (keyof typeof values)[];
  const [ALL_BUT_ITSELF, OF_ONE] = [names.slice(0, -1), ["data-dir", "initial-cluster"]];
  const against: Partial<Record<OptionName, readonly string[]>> = { "to-snapshot": ALL_BUT_ITSELF, members: OF_ONE, "all-members": [...OF_ONE, "name"] };
  const contradict = (one: OptionName, other: OptionName) => Boolean(against[one]?.includes(other) || against[other]?.includes(one));
  const origin = fc.constantFrom<Origin>({ kind: "flag", flag: "f" }, { kind: "environment", variable: "v" }, { kind: "file", path: "c", line: 1 });
  const record = Object.fromEntries(names.map((name) => [name, origin])) as Record<OptionName, typeof origin>;
  fc.assert(
    fc.property(fc.record(record, { requiredKeys: [] }), (origins) => {
      const given = names.filter((name) => origins[name] !== undefined);
      const rank = (name: OptionName) => rankOf(origins[name]!);
      const isRight = (left: readonly OptionName[]) =>
        given.every((name) =>
          left.includes(name) ? !left.some((other) => contradict(name, other)) : left.some((other) => contradict(name, other) && rank(other) > rank(name)),
        );
      const config = new Config(new Map(given.map((name) => [name, { value: values[name], origin: origins[name]! }])));
      const settle = () => settleConflicts(config, "restore", [], () => undefined);
      const subsets = Array.from({ length: 2 ** given.length }, (_, bits) => given.filter((_name, bit) => (bits >> bit) & 1));
      if (subsets.some(isRight)) expect(given.filter((name) => settle().origin(name).kind !== "default")).toSatisfy(isRight);
      else expect(settle).toThrow(EtcdsafeError);
    }),
    { seed: SEED, numRuns: runs(300, 10_000) },
  );
});

test("conflicts: config validate tells of them, for whichever command", async () => {
  await using directory = await temporaryDirectory("conflicts");
  await writeFile(join(directory.path, "c.yaml"), "repository: r\noutput: x.db\n");
  const { exitCode, stdout, stderr } = await runCli(["config", "validate", "--config", "c.yaml", "-o", "json"], { cwd: directory.path });
  expect({ exitCode, faults: JSON.parse(stdout).faults }).toEqual({
    exitCode: 2,
    faults: [
      {
        option: "output",
        source: "c.yaml:2",
        message: "c.yaml:2: output contradicts repository (c.yaml:1) in `save`: a plain snapshot goes to no repository",
      },
    ],
  });
  expect(JSON.parse(stderr)).toBeDefined();
  const environment = { ETCDSAFE_ALL_CLUSTERS: "true", ETCDSAFE_CLUSTER: "prod" };
  const { config } = await readConfig({ command: "config validate", flags: new Map(), environment });
  expect(conflictFaults(config)).toMatchObject([{ key: "all-clusters", text: "contradicts ETCDSAFE_CLUSTER in `copy`, `list`, `show`, `verify`: all or one" }]);
});

test("conflicts: a typed --repository is not passed over for the output of the configuration file", async () => {
  await using directory = await temporaryDirectory("conflicts");
  await writeFile(join(directory.path, "c.yaml"), "output: x.db\n");
  const nobody = ["--endpoints", "127.0.0.1:1", "--dial-timeout", "200ms"];
  const { stderr } = await runCli(["save", "--config", "c.yaml", "--repository", "r", ...nobody], { cwd: directory.path });
  expect(stderr).toMatch(/^output \(c\.yaml:1\) does not count, as --repository is given: a plain snapshot goes to no repository\n/);
});
