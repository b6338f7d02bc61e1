import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Environment, readConfig } from "../../src/config/config.ts";
import { readConnection } from "../../src/config/connection.ts";
import type { OptionName } from "../../src/config/options.ts";
import { faultText } from "../../src/config/origin.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

let directory: TemporaryDirectory;
const file = (name: string) => join(directory.path, name);

beforeAll(async () => {
  directory = await temporaryDirectory("connection");
  const files = {
    ca: "-----BEGIN CERTIFICATE-----\n",
    key: "-----BEGIN EC PRIVATE KEY-----\n",
    locked: "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    empty: "",
    pw: "open sesame\r\n",
    two: "a\nb\n",
    long: "x".repeat(5000),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(file(name), text);
  await chmod(file("pw"), 0o600);
});
afterAll(() => directory.remove());

async function connect(flags: Partial<Record<OptionName, string>>, environment: Environment = {}) {
  const { config, faults } = await readConfig({
    command: "save",
    flags: new Map(Object.entries(flags).map(([name, text]) => [name, [text]])) as unknown as ReadonlyMap<OptionName, string[]>,
    environment,
  });
  const connection = await readConnection(config, environment);
  return { options: connection.options, faults: [...faults, ...connection.faults].map((fault) => faultText(fault).replaceAll(`${directory.path}/`, "")) };
}

test("connection: etcdctl's defaults", async () => {
  expect(await connect({})).toEqual({ options: { endpoints: ["http://127.0.0.1:2379"], dialTimeoutMs: 2000, commandTimeoutMs: 5000 }, faults: [] });
});

test("connection: etcdctl's variables mean what they mean to etcdctl", async () => {
  const { options, faults } = await connect(
    {},
    {
      ETCDCTL_ENDPOINTS: "https://a:2379, b:2379/",
      ETCDCTL_CACERT: file("ca"),
      ETCDCTL_CERT: file("ca"),
      ETCDCTL_KEY: file("key"),
      ETCDCTL_USER: "root:pass:word",
      ETCDCTL_DIAL_TIMEOUT: "1.5s",
      ETCDCTL_COMMAND_TIMEOUT: "1m",
      ETCDCTL_INSECURE_SKIP_TLS_VERIFY: "1",
    },
  );
  expect(faults).toEqual([]);
  expect(options).toEqual({
    endpoints: ["https://a:2379", "https://b:2379/"],
    cacertPath: file("ca"),
    certPath: file("ca"),
    keyPath: file("key"),
    insecureSkipVerify: true,
    user: "root",
    password: "pass:word",
    dialTimeoutMs: 1500,
    commandTimeoutMs: 60_000,
  });
});

test.each<[Partial<Record<OptionName, string>>, string]>([
  [{}, "http://h:1"],
  [{ cacert: "ca" }, "https://h:1"],
  [{ "insecure-transport": "false" }, "https://h:1"],
  [{ "insecure-skip-tls-verify": "true" }, "https://h:1"],
])("connection: an endpoint without a scheme gets TLS where something asks for it (%#)", async (flags, expected) => {
  const paths = flags.cacert === undefined ? flags : { cacert: file(flags.cacert) };
  expect(await connect({ ...paths, endpoints: "h:1" })).toMatchObject({ options: { endpoints: [expected] }, faults: [] });
});

test("connection: with a separate password, the user is taken whole, as etcdctl does", async () => {
  expect((await connect({}, { ETCDCTL_USER: "a:b", ETCDCTL_PASSWORD: "c" })).options).toMatchObject({ user: "a:b", password: "c" });
});

test.each<[string, Partial<Record<OptionName, string>>, Environment, string]>([
  ["the file given as a flag, over any variable", { "password-file": "pw" }, { ETCDSAFE_PASSWORD: "x", ETCDCTL_PASSWORD: "y" }, "open sesame"],
  ["ETCDSAFE_PASSWORD, over ETCDCTL_PASSWORD", {}, { ETCDSAFE_PASSWORD: "x", ETCDCTL_PASSWORD: "y" }, "x"],
  ["ETCDSAFE_PASSWORD_FILE, over ETCDCTL_PASSWORD", {}, { ETCDSAFE_PASSWORD_FILE: "pw", ETCDCTL_PASSWORD: "y" }, "open sesame"],
  ["ETCDCTL_PASSWORD, over the one in ETCDCTL_USER", {}, { ETCDCTL_USER: "root:z", ETCDCTL_PASSWORD: "y" }, "y"],
])("connection: the password is %s", async (_, flags, environment, expected) => {
  const path = { ...flags, ...(flags["password-file"] === undefined ? {} : { "password-file": file("pw") }) };
  const variables = {
    ETCDCTL_USER: "root",
    ...environment,
    ...(environment["ETCDSAFE_PASSWORD_FILE"] === undefined ? {} : { ETCDSAFE_PASSWORD_FILE: file("pw") }),
  };
  expect(await connect(path, variables)).toMatchObject({ options: { password: expected }, faults: [] });
});

test.each<[Partial<Record<OptionName, string>>, Environment, string]>([
  [{ endpoints: "HTTP://h:1", cacert: "ca" }, {}, "--endpoints: HTTP://h:1 would be spoken to in plain text although --cacert asks for TLS: write https://"],
  [{ endpoints: "http://h:1", cacert: "ca" }, {}, "--endpoints: http://h:1 would be spoken to in plain text although --cacert asks for TLS: write https://"],
  [
    { endpoints: "http://h:1", "insecure-transport": "false" },
    {},
    "--endpoints: http://h:1 would be spoken to in plain text although --insecure-transport asks for TLS: write https://",
  ],
  [{ endpoints: "http://u:hidden@h:1" }, {}, "--endpoints: holds a user or a password, which an endpoint must not: give --user and --password-file"],
  [{ endpoints: "ftp://h:1" }, {}, "--endpoints: ftp://h:1 cannot be used: its scheme is ftp"],
  [{ endpoints: "h" }, {}, "--endpoints: h cannot be used: it has no port"],
  [{ endpoints: "http://h:1/path" }, {}, "--endpoints: http://h:1/path cannot be used: it has a path"],
  [{ cert: "ca" }, {}, "--cert: is of no use without --key"],
  [{ key: "key" }, {}, "--key: is of no use without --cert"],
  [{ cacert: "absent" }, {}, "--cacert: absent cannot be read: there is no such file"],
  [{ cacert: "empty" }, {}, "--cacert: empty holds no PEM certificate"],
  [{ cert: "ca", key: "ca" }, {}, "--key: ca holds no PEM private key"],
  [
    { cert: "ca", key: "locked" },
    {},
    "--key: locked is encrypted, and there is no way to give its passphrase: decrypt it, and protect it with file permissions",
  ],
  [{ user: "root" }, {}, "--user: needs a password: etcdctl would ask for it; give --password-file FILE, or set ETCDSAFE_PASSWORD or ETCDCTL_PASSWORD"],
  [
    {},
    { ETCDCTL_USER: "root:" },
    "ETCDCTL_USER: needs a password: etcdctl would ask for it; give --password-file FILE, or set ETCDSAFE_PASSWORD or ETCDCTL_PASSWORD",
  ],
  [{}, { ETCDCTL_PASSWORD: "hidden" }, "ETCDCTL_PASSWORD: is a password without a user: give --user"],
  [{ user: "root", "password-file": "absent" }, {}, "--password-file: absent cannot be read: there is no such file"],
  [{ user: "root", "password-file": "empty" }, {}, "--password-file: empty is empty"],
  [{ user: "root", "password-file": "two" }, {}, "--password-file: two holds more than one line with a password"],
  [{ user: "root", "password-file": "long" }, {}, "--password-file: long holds more than one line with a password"],
  [
    { user: "root" },
    { ETCDSAFE_PASSWORD: "hidden", ETCDSAFE_PASSWORD_FILE: "pw" },
    "ETCDSAFE_PASSWORD_FILE: and ETCDSAFE_PASSWORD are both set: which one is meant?",
  ],
  [{}, { ETCDCTL_AUTH_JWT_TOKEN: "hidden" }, "ETCDCTL_AUTH_JWT_TOKEN: is not understood: log in with a user and password, or a client certificate"],
  [{}, { ETCDCTL_DISCOVERY_SRV: "example.org" }, "ETCDCTL_DISCOVERY_SRV: is not understood: name the members with --endpoints"],
])("connection: refused: %j %j", async (flags, environment, expected) => {
  const paths = Object.fromEntries(
    Object.entries(flags).map(([name, text]) => [name, ["cacert", "cert", "key", "password-file"].includes(name) ? file(text) : text]),
  );
  const variables = { ...environment, ...(environment["ETCDSAFE_PASSWORD_FILE"] === undefined ? {} : { ETCDSAFE_PASSWORD_FILE: file("pw") }) };
  const { faults } = await connect(paths, variables);
  expect(faults).toEqual([expected]);
  expect(faults.join()).not.toContain("hidden");
});

test("connection: a fault of a value from a file names its line and key", async () => {
  await writeFile(file("etcdsafe.yaml"), "cluster: a\ncert: ca\n");
  expect((await connect({ config: file("etcdsafe.yaml") })).faults).toEqual(["etcdsafe.yaml:2: cert is of no use without --key"]);
});

test("connection: what is given more directly overrides what etcdctl would have obeyed", async () => {
  const { faults } = await connect(
    { endpoints: "h:1", user: "root" },
    { ETCDCTL_DISCOVERY_SRV: "example.org", ETCDCTL_AUTH_JWT_TOKEN: "t", ETCDSAFE_PASSWORD: "p" },
  );
  expect(faults).toEqual([]);
});
