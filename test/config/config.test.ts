// Precedence, over every option of the table: its flag, its two variables and its key are all tried.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { type Environment, readConfig } from "../../src/config/config.ts";
import { OPTION_NAMES, type OptionName, optionSpec, variableOf } from "../../src/config/options.ts";
import { faultText } from "../../src/config/origin.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const key = (name: string) => `projects/p/locations/l/keyRings/r/cryptoKeys/${name}`;
/** Of options whose text is not free. */
const PATTERNED: Partial<Record<OptionName, readonly string[]>> = {
  "bump-revision": ["1", "2", "3", "4"],
  tag: ["a=1", "a=2", "a=3", "a=4"],
  "max-bytes": ["1", "2GiB", "3MiB", "4"],
  ...Object.fromEntries(["last", "hourly", "daily", "weekly", "monthly", "yearly"].map((rule) => [`keep-${rule}`, ["1", "2", "3", "unlimited"]])),
  ...Object.fromEntries(
    ["keep-within", ...["hourly", "daily", "weekly", "monthly", "yearly"].map((rule) => `keep-within-${rule}`), "keep-points-within", "max-age"].map((name) => [
      name,
      ["1d", "2h", "3m", "1y2d"],
    ]),
  ),
  textfile: ["/a.prom", "/b.prom", "/c.prom", "/d.prom"],
  "s3-storage-class": ["A", "B", "C", "D"],
  "gs-storage-class": ["A", "B", "C", "D"],
  "gs-kms-key": [key("a"), key("b"), key("c"), key("d")],
  "azblob-access-tier": ["Hot", "Cool", "Cold", "Hot"],
  listen: ["127.0.0.1:1", "[::1]:2", "host.example:3", ":4"],
  "azblob-encryption-scope": ["aaa", "bbb", "ccc", "ddd"],
};

/** Four different values for an option, as texts and as they are read. */
function samples(name: OptionName): { text: string; value: unknown }[] {
  const { kind, choices, paths, atLeast } = optionSpec(name);
  if (kind === "boolean") return ["true", "false", "true", "false"].map((text) => ({ text, value: text === "true" }));
  const [unit, unitMs] = atLeast?.endsWith("h") ? ["h", 3_600_000] : ["s", 1000];
  if (kind === "duration") return [2, 3, 4, 5].map((count) => ({ text: `${count}${unit}`, value: count * unitMs }));
  if (kind === "enum") return [0, 1, 0, 1].map((index) => ({ text: choices![index]!, value: choices![index]! }));
  if (paths !== undefined) return ["/a", "/b", "/c", "/d"].map((text) => ({ text: `${text},/x`, value: [text, "/x"] }));
  if (kind === "list") return ["a", "b", "c", "d"].map((text) => ({ text: `${text},x`, value: [text, "x"] }));
  if (kind === "path" || kind === "secret-file" || kind === "location")
    return (PATTERNED[name] ?? ["/a", "/b", "/c", "/d"]).map((text) => ({ text, value: text }));
  if (kind === "count") return [2, 3, 4, 5].map((value) => ({ text: String(value), value }));
  if (kind === "rate") return [2, 3, 4, 5].map((count) => ({ text: `${count}MiB`, value: count * 1024 * 1024 }));
  if (kind === "time" || kind === "moment")
    return [1, 2, 3, 4].map((hour) => ({ text: `2026-11-21T0${hour}:00:00Z`, value: `2026-11-21T0${hour}:00:00.000Z` }));
  if (kind === "url" || kind === "hook") return ["a", "b", "c", "d"].map((host) => ({ text: `https://${host}`, value: `https://${host}` }));
  const texts = PATTERNED[name] ?? ["a", "b", "c", "d"];
  return texts.map((text) => ({ text, value: text }));
}

async function read(flags: Partial<Record<OptionName, readonly string[]>>, environment: Environment) {
  const { config, faults } = await readConfig({
    command: "config validate",
    flags: new Map(Object.entries(flags)) as unknown as ReadonlyMap<OptionName, string[]>,
    environment,
  });
  return { config, faults: faults.map(faultText) };
}

for (const name of OPTION_NAMES) {
  test(`config: ${name}: flag over ${variableOf(name)} over ETCDCTL_* over file over default`, async () => {
    await using directory = await temporaryDirectory("config");
    const [flag, own, etcdctl, file] = samples(name) as [{ text: string; value: unknown }, ...{ text: string; value: unknown }[]];
    const spec = optionSpec(name);
    const path = join(directory.path, "etcdsafe.yaml");
    await writeFile(path, stringify({ [name]: file!.text }));

    const environment: Record<string, string> = name === "config" ? {} : { ETCDSAFE_CONFIG: path };
    const plain = await read({}, {});
    expect(plain.config.origin(name)).toEqual({ kind: "default" });
    expect(plain.config.get(name) === undefined).toBe(spec.default === undefined);

    if (name !== "config" && spec.kind !== "secret") {
      const { config, faults } = await read({}, environment);
      expect({ faults, value: config.get(name), origin: config.origin(name) }).toEqual({
        faults: [],
        value: file!.value,
        origin: { kind: "file", path, line: 1 },
      });
    } else expect((await read({}, { ETCDSAFE_CONFIG: path })).faults).toHaveLength(1);

    if (name === "config") {
      expect((await read({ config: [path] }, { ETCDSAFE_CONFIG: "/absent" })).config.get("config")).toBe(path);
      return;
    }
    const withFile = spec.kind === "secret" ? {} : environment;
    if (spec.etcdctl !== undefined) {
      const { config } = await read({}, { ...withFile, [spec.etcdctl]: etcdctl!.text });
      expect({ value: config.get(name), origin: config.origin(name) }).toEqual({ value: etcdctl!.value, origin: { kind: "etcdctl", variable: spec.etcdctl } });
    }
    const both = { ...withFile, ...(spec.etcdctl === undefined ? {} : { [spec.etcdctl]: etcdctl!.text }), [variableOf(name)]: own!.text };
    const fromOwn = await read({}, both);
    expect({ value: fromOwn.config.get(name), origin: fromOwn.config.origin(name) }).toEqual({
      value: own!.value,
      origin: { kind: "environment", variable: variableOf(name) },
    });

    const fromFlag = await read({ [name]: [flag.text] }, both);
    if (spec.kind === "secret") expect(fromFlag.faults).toEqual([expect.stringContaining(`--${name}: is a secret`)]);
    else
      expect({ value: fromFlag.config.get(name), origin: fromFlag.config.origin(name) }).toEqual({
        value: flag.value,
        origin: { kind: "flag", flag: `--${name}${name === "format" ? " (-o)" : ""}` },
      });
  });
}

test("config: a list given twice is one list, anything else given twice is the last", async () => {
  const { config } = await read({ endpoints: ["a,b", "c"], cluster: ["x", "y"] }, {});
  expect(config.get("endpoints")).toEqual(["a", "b", "c"]);
  expect(config.get("cluster")).toBe("y");
});

test("config: an option that may be given several times has all values, of the strongest origin; the first is its value", async () => {
  const { config } = await read({ repository: ["/a,b", "s3://c/d", "/a,b"] }, { ETCDSAFE_REPOSITORY: "/e" });
  expect([config.get("repository"), config.all("repository")]).toEqual(["/a,b", ["/a,b", "s3://c/d"]]);
  expect((await read({}, { ETCDSAFE_REPOSITORY: "/e,f" })).config.all("repository")).toEqual(["/e,f"]);
  expect((await read({ repository: ["/a", "s3://user:secret@b/c"] }, {})).faults).toEqual([expect.stringMatching(/^--repository: holds a user or a password/)]);
});

test("config: an empty variable counts as not set, as for etcdctl; an empty flag is a fault", async () => {
  const { config, faults } = await read({ cacert: [""] }, { ETCDSAFE_CLUSTER: "", ETCDCTL_ENDPOINTS: "" });
  expect(faults).toEqual(["--cacert: is empty"]);
  expect(config.origin("cluster")).toEqual({ kind: "default" });
});

test("config: all faults are found at once, each with its origin", async () => {
  const { faults } = await read({ "stall-limit": ["1"] }, { ETCDCTL_DIAL_TIMEOUT: "x", ETCDSAFE_LEVEL: "all", ETCDSAFE_CACRT: "/ca.pem" });
  expect(faults.toSorted()).toEqual([
    '--stall-limit: "1" is not a duration such as 30s, 5m or 1h30m',
    'ETCDCTL_DIAL_TIMEOUT: "x" is not a duration such as 30s, 5m or 1h30m',
    "ETCDSAFE_CACRT: there is no such option; did you mean ETCDSAFE_CACERT?",
    'ETCDSAFE_LEVEL: "all" is none of stored-bytes, hash, structure',
  ]);
});

test("config: variables that Kubernetes makes for a service named etcdsafe are no faults", async () => {
  const { faults } = await read({}, { ETCDSAFE_PORT: "tcp://10.0.0.1:80", ETCDSAFE_SERVICE_HOST: "10.0.0.1", ETCDSAFE_PORT_80_TCP_ADDR: "10.0.0.1" });
  expect(faults).toEqual([]);
});

test("config: a command reads its own variables only", async () => {
  const { faults } = await readConfig({ command: "list", flags: new Map(), environment: { ETCDCTL_DIAL_TIMEOUT: "x" } });
  expect(faults).toEqual([]);
});
