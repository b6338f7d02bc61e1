// The command line as a process: what it prints where, how it ends, and what it loads.
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CliOptions, NODE, runCli, startCli } from "../support/cli.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Prints the URL of everything that is imported. */
const LOADED = `data:text/javascript,${encodeURIComponent(
  'import { registerHooks } from "node:module"; registerHooks({ load(url, context, next) { process.stderr.write("loaded " + url + "\\n"); return next(url, context); } });',
)}`;

async function fails(args: readonly string[], options?: CliOptions) {
  const result = await runCli(args, options);
  expect(result.stdout).toBe("");
  expect(result.stderr).not.toMatch(/\n\s+at /);
  return { exitCode: result.exitCode, stderr: result.stderr };
}

test("command line: a mistake is three lines on standard error and exit code 2", async () => {
  expect(await fails(["sav"])).toEqual({
    exitCode: 2,
    stderr: 'error: there is no command "sav"\nhint: Did you mean `etcdsafe save`? See `etcdsafe --help`.\ncode: USAGE (exit code 2)\n',
  });
  expect((await fails(["save", "--repositry", "x"])).stderr).toContain("(Did you mean --repository?)");
});

test("command line: a broken configuration file is told by line, and shown in JSON where that is asked for", async () => {
  await using directory = await temporaryDirectory("cli");
  const path = join(directory.path, "etcdsafe.yaml");
  await writeFile(path, "cluster: prod\nformat: json\nstall-limit: soon\n");
  const { exitCode, stderr } = await fails(["list", "-o", "json", "--config", path]);
  expect(exitCode).toBe(2);
  expect(JSON.parse(stderr)).toMatchObject({
    level: "error",
    code: "CONFIG_INVALID",
    exitCode: 2,
    retryable: false,
    message: `${path}:3: stall-limit "soon" is not a duration such as 30s, 5m or 1h30m`,
  });
  // Also where only the file asks for it.
  expect(JSON.parse((await fails(["list", "--config", path])).stderr)).toMatchObject({ code: "CONFIG_INVALID" });
  await writeFile(path, "a: [");
  expect((await fails(["list"], { env: { ETCDSAFE_CONFIG: path } })).stderr).toContain(`${path}:1: `);
});

test("config validate: faults are told in the order of the file, whoever finds them", async () => {
  await using directory = await temporaryDirectory("cli");
  const path = join(directory.path, "etcdsafe.yaml");
  await writeFile(path, "endpoints: ftp://h:1\nkey: absent\nstall-limit: soon\n");
  const { stderr } = await fails(["config", "validate", "--config", path]);
  expect(stderr).toContain(
    `${path}:1: endpoints ftp://h:1 cannot be used: its scheme is ftp\n  ${path}:2: key is of no use without --cert\n  ${path}:2: key ${directory.path}/absent cannot be read`,
  );
  expect(stderr).toMatch(/:2: .*\n {2}.*:3: stall-limit "soon"/);
});

test.each([
  ["backups", "backups/"],
  ["s3://backups/etcd/", "s3://backups/etcd"],
])("command line: copy %s %s is to itself, and no success", async (from, to) => {
  const { exitCode, stderr } = await fails(["copy", from, to]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("error: FROM and TO name one place: there is nothing to copy\n");
});

test("command line: copy between stores of one name is told apart by the options that FROM is reached by; a directory has one place", async () => {
  await using directory = await temporaryDirectory("from-config");
  const file = join(directory.path, "from.yaml");
  // Which is found out before anything is opened.
  await writeFile(file, "s3-endpoint: ftp://elsewhere\n");
  const { stderr } = await fails(["copy", "s3://backups/etcd", "s3://backups/etcd", "--from-config", file]);
  expect(stderr).toMatch(/from\.yaml.*s3-endpoint/s);
  expect(stderr).not.toContain("name one place");
  expect((await fails(["copy", directory.path, `${directory.path}/`, "--from-config", file])).stderr).toContain("name one place");
});

test("command line: a password in the arguments is refused, and not repeated", async () => {
  const { exitCode, stderr } = await fails(["save", "--user", "root:hidden", "--password", "hidden", "--repository", "/x"]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("--password-file");
  expect(stderr).not.toContain("hidden");
});

test("command line: a private key given in place of its file's path, or of anything else, is refused and not repeated", async () => {
  await using directory = await temporaryDirectory("cli");
  const identity = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const body = pem.split("\n")[1]!;
  const paths = ["list", "block", "key", "alias", "tag", "pasted"].map((name) => join(directory.path, `${name}.yaml`));
  const [list, block, key, alias, tag, pasted] = paths as [string, string, string, string, string, string];
  await writeFile(list, `identity-file:\n  - a.txt\n  - ${identity}\n`);
  await writeFile(block, `sign-key-file: |\n  ${pem.replaceAll("\n", "\n  ")}\n`);
  await writeFile(key, `${identity}: x\n`);
  await writeFile(alias, `identity-file: *${identity}\n`);
  await writeFile(tag, `identity-file: !${identity}\n`);
  await writeFile(pasted, `sign-key-file: ${pem}`);
  const save = ["save", "--repository", directory.path];
  const tried: [string[], Record<string, string>, RegExp?][] = [
    [save, { ETCDSAFE_SIGN_KEY_FILE: pem }, /^error: ETCDSAFE_SIGN_KEY_FILE: takes the path of a file, and a private key itself was given, .* Kubernetes/],
    [[...save, "--sign-key-file", pem], {}, /--sign-key-file: takes the path of a file/],
    [[...save, "--config", block], {}, /block\.yaml:1: sign-key-file takes the path of a file/],
    [["verify", "--config", list], {}, /list\.yaml:1: identity-file takes the path of a file, and an identity itself was given/],
    [["copy", "/absent", "/gone", "--from-config", list], {}, /list\.yaml:1: identity-file takes the path of a file/],
    ...[key, alias, tag, pasted].map((path): [string[], Record<string, string>] => [["list", "--config", path], {}]),
    [[...save, `--sign-key=${pem}`], {}, /an argument that is no option's value holds a private key/],
    [["save", "-o", pem], {}, /--format \(-o\): holds what is a private key/],
    ...[[pem], [identity], ["verify", pem], ["verify", identity], ["inspect", identity], ["copy", identity, "/absent"], [...save, pem]].map(
      (args): [string[], Record<string, string>, RegExp] => [args, {}, /holds a private key/],
    ),
    [["config", "show"], { ETCDSAFE_SIGN_KEY_FILE: pem, ETCDSAFE_IDENTITY_FILE: identity }, /the configuration has 2 faults/],
    [["config", "show", "-o", "json", "--config", block], {}, /"code":"CONFIG_INVALID"/],
    [["config", "validate", "-o", "json", "--config", list], {}, /"code":"CONFIG_INVALID"/],
  ];
  for (const [args, env, message] of tried) {
    const { exitCode, stdout, stderr } = await runCli(args, { env });
    expect(exitCode, stderr).toBe(2);
    if (message !== undefined) expect(stderr).toMatch(message);
    for (const secret of [identity, body]) expect(`${stdout}${stderr}`).not.toContain(secret);
  }
});

test("command line: of a file of recipients that is another file, nothing is repeated but what begins as a recipient", async () => {
  await using directory = await temporaryDirectory("cli");
  const path = join(directory.path, "named-by-mistake");
  await writeFile(path, "age1mistyped\nhidden\n");
  const { stderr } = await fails(["save", "--repository", directory.path, "--recipients-file", path]);
  expect(stderr).toContain(`${path}, line 1: "age1mistyped" is a recipient of a kind`);
  expect(stderr).toContain(`${path}, line 2: holds what is no age recipient`);
  expect(stderr).not.toContain("hidden");
});

test("config show: values, where they come from, and no secrets", async () => {
  const env = { ETCDCTL_USER: "root:hidden", ETCDSAFE_PASSWORD: "hidden", ETCDSAFE_STALL_LIMIT: "1m" };
  const { exitCode, stdout } = await runCli(["config", "show", "--cluster", "prod", "-o", "json"], { env });
  expect(exitCode).toBe(0);
  expect(stdout).not.toContain("hidden");
  const { options, faults } = JSON.parse(stdout);
  expect(faults).toEqual([]);
  expect(options).toContainEqual({ name: "cluster", value: "prod", origin: "flag", from: "--cluster" });
  expect(options).toContainEqual({ name: "user", value: "root:(redacted)", origin: "etcdctl", from: "ETCDCTL_USER" });
  expect(options).toContainEqual({ name: "password", value: "(redacted)", origin: "environment", from: "ETCDSAFE_PASSWORD" });
  expect(options).toContainEqual({ name: "stall-limit", value: "1m", origin: "environment", from: "ETCDSAFE_STALL_LIMIT" });
  expect(options).toContainEqual({ name: "deadline", value: null, origin: "default", from: "default" });
  const { stdout: text } = await runCli(["config", "show"], { env });
  expect(text).toMatch(/^OPTION +VALUE +FROM\n/);
  expect(text).toMatch(/\nstall-limit +1m +ETCDSAFE_STALL_LIMIT\n/);
});

test("config show: shows what it can of a faulty configuration, and fails", async () => {
  const { exitCode, stdout, stderr } = await runCli(["config", "show", "--cluster", "prod"], { env: { ETCDSAFE_LEVEL: "deep", ETCDSAFE_LOG_FORMAT: "xml" } });
  expect(exitCode).toBe(2);
  expect(stdout).toMatch(/\ncluster +prod +--cluster\n/);
  expect(stderr).toContain("the configuration has 2 faults:\n  ETCDSAFE_LEVEL: ");
});

test("config validate: faults are an array in JSON, each with its option and source", async () => {
  const { exitCode, stdout, stderr } = await runCli(["config", "validate", "-o", "json", "--endpoints", "http://h:1", "--cacert", "/absent"], {
    env: { ETCDSAFE_LEVEL: "deep", ETCDSAFE_ENDPONTS: "x" },
  });
  expect(exitCode).toBe(2);
  const { valid, faults } = JSON.parse(stdout);
  expect(valid).toBe(false);
  expect(faults).toEqual([
    { option: null, source: "ETCDSAFE_ENDPONTS", message: "ETCDSAFE_ENDPONTS: there is no such option; did you mean ETCDSAFE_ENDPOINTS?" },
    { option: "level", source: "ETCDSAFE_LEVEL", message: 'ETCDSAFE_LEVEL: "deep" is none of stored-bytes, hash, structure' },
    { option: "endpoints", source: "--endpoints", message: expect.stringContaining("plain text although --cacert") },
    { option: "cacert", source: "--cacert", message: "--cacert: /absent cannot be read: there is no such file" },
  ]);
  expect(JSON.parse(stderr)).toMatchObject({ code: "CONFIG_INVALID", exitCode: 2 });
  expect(JSON.parse((await runCli(["config", "validate", "-o", "json"])).stdout)).toEqual({ valid: true, faults: [] });
});

test("save: tells of a faulty configuration all that config validate finds, and list what concerns it", async () => {
  const env = { ETCDSAFE_STALL_LIMIT: "soon", ETCDSAFE_LOG_FORMAT: "xml", ETCDSAFE_CACERT: "/absent", ETCDSAFE_CERT: "/absent" };
  const [validated, saved, listed] = await Promise.all([["config", "validate"], ["save"], ["list"]].map((args) => runCli(args, { env })));
  expect(validated!.stderr).toContain("the configuration has 5 faults:");
  expect(saved!.stderr).toBe(validated!.stderr);
  expect(listed!.stderr).toMatch(/^error: ETCDSAFE_LOG_FORMAT: /);
});

test("config validate: finds what only a connection would run into", async () => {
  const { exitCode, stderr } = await fails(["config", "validate", "--cacert", "/absent", "--endpoints", "http://h:1"], { env: { ETCDSAFE_LEVEL: "deep" } });
  expect(exitCode).toBe(2);
  for (const part of ["ETCDSAFE_LEVEL: ", "/absent cannot be read", "plain text although --cacert"]) expect(stderr).toContain(part);
  const valid = await runCli(["config", "validate"]);
  expect(valid).toMatchObject({ exitCode: 0, stdout: "The configuration is valid.\n", stderr: "" });
});

test("command line: a reader of standard output that goes away is no error", async () => {
  const command = startCli(["config", "show"]);
  command.child.stdout!.destroy();
  expect(await command.finished).toMatchObject({ exitCode: 0, stderr: "" });
});

test("command line: standard output that takes no more is an error", async () => {
  await using directory = await temporaryDirectory("stdout");
  await using file = await open(join(directory.path, "stdout"), "w");
  const limited = ["-c", 'ulimit -f 0 && exec "$@"', "sh", NODE, "bin/etcdsafe.js", "config", "show"];
  const child = spawn("sh", limited, { stdio: ["ignore", file.fd, "pipe"] });
  let stderr = "";
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(1);
  expect(stderr).toMatch(/^error: standard output cannot be written: .*EFBIG.*\nhint: .*\ncode: FILE_FAILED/);
});

test.each([["--help"], ["--version"], ["help", "save"], ["version"]])(
  "start-up: `etcdsafe %s %s` loads commander and nothing else that is installed",
  async (...args) => {
    const { exitCode, stderr } = await runCli(args, { nodeArguments: ["--import", LOADED] });
    expect(exitCode).toBe(0);
    const packages = new Set([...stderr.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)\//g)].map(([, name]) => name));
    expect([...packages]).toEqual(["commander"]);
    expect(stderr).not.toMatch(/src\/(cluster|repository|storage(?!\/place\.ts)|etcd-files|backup|restore|verify)\//);
  },
);

test("version: one line, or one document", async () => {
  expect((await runCli(["version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(JSON.parse((await runCli(["version", "-o", "json"])).stdout)).toEqual({ etcdsafe: expect.any(String), node: process.versions.node });
});

test.each([
  ["24.4.1", false],
  ["22.19.0", false],
  ["24.5.0", true],
  ["25.0.0", true],
])("command line: a Node that is too old is told so in one line (%s)", async (version, isEnough) => {
  const pretend = `Object.defineProperties(process, { version: { value: "v${version}" }, versions: { value: { ...process.versions, node: "${version}" } } });`;
  const result = await runCli(["version"], { nodeArguments: ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`] });
  const refusal = `etcdsafe needs Node 24.5 or newer; this is v${version}. In a checkout, "npm run -s etcdsafe --" uses the right one.\n`;
  expect([result.exitCode, result.stderr]).toEqual(isEnough ? [0, ""] : [2, refusal]);
});
