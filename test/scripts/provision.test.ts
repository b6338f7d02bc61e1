import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { systemEtcd34 } from "../../scripts/provision.ts";
import { NODE } from "../support/cli.ts";
import { type CommandResult, runCommand } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PROVISION = fileURLToPath(new URL("../../scripts/provision.ts", import.meta.url));
/** Answers like Go, says in a file what it built, and takes a moment for it. */
const FAKE_GO = `#!/bin/sh
if [ "$1" = env ]; then echo "$FAKE_GO_VERSION"; exit 0; fi
if [ -n "$FAKE_GO_FAILURE" ]; then echo "# some/package" >&2; echo "$FAKE_GO_FAILURE" >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done
echo "$3" >> "$FAKE_GO_LOG"
sleep 0.05
printf '#!/bin/sh\\necho "etcd Version: 3.7.3"\\n' > "$2"; chmod +x "$2"
`;

interface Bench extends AsyncDisposable {
  readonly cache: string;
  provision(env?: NodeJS.ProcessEnv): Promise<CommandResult>;
  built(): Promise<string[]>;
}

/** A cache of its own, and a PATH whose only Go is the fake one. */
async function bench(): Promise<Bench> {
  const directory = await temporaryDirectory("provision");
  const bin = join(directory.path, "bin");
  const log = join(directory.path, "built");
  const cache = join(directory.path, "cache");
  await mkdir(bin);
  await writeFile(join(bin, "go"), FAKE_GO);
  await chmod(join(bin, "go"), 0o755);
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("ETCDSAFE_"));
  const path = [bin, "/usr/bin", "/bin"].join(delimiter);
  const ours = { PATH: path, ETCDSAFE_CACHE: cache, FAKE_GO_LOG: log, FAKE_GO_VERSION: "go1.26.0" };
  return {
    cache,
    provision: (env) => runCommand(NODE, [PROVISION, "3.7"], { env: { ...Object.fromEntries(others), ...ours, ...env } }),
    built: async () => (existsSync(log) ? (await readFile(log, "utf8")).trim().split("\n") : []),
    [Symbol.asyncDispose]: () => directory.remove(),
  };
}

const PACKAGES = ["go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/etcdutl/v3", "go.etcd.io/etcd/etcdctl/v3"];

test("provisioning: processes that ask at the same time build once, and later ones not at all", async () => {
  await using at = await bench();
  const results = await Promise.all([at.provision(), at.provision(), at.provision()]);
  expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
  for (const path of results[0]?.stdout.trim().split("\n") ?? []) expect(existsSync(path)).toBe(true);
  expect((await at.provision()).stderr).toBe("");
  expect(await at.built()).toEqual(PACKAGES);
  expect(await readdir(at.cache)).toHaveLength(1);
});

test("provisioning: another Go builds anew", async () => {
  await using at = await bench();
  await at.provision();
  await at.provision({ FAKE_GO_VERSION: "go1.27.1" });
  expect(await at.built()).toEqual([...PACKAGES, ...PACKAGES]);
});

test("provisioning: a lock whose holder is gone is taken over, and what it left unfinished goes", async () => {
  await using at = await bench();
  const finished = (await at.provision()).stdout.split("\n")[0]?.replace(/\/etcd$/, "") ?? "";
  await using other = await bench();
  await mkdir(join(other.cache, "unfinished-x"), { recursive: true });
  const lock = join(other.cache, `${finished.split("/").at(-1)}.lock`);
  await writeFile(lock, "");
  const longAgo = new Date(Date.now() - 48 * 60 * 60_000);
  for (const path of [lock, join(other.cache, "unfinished-x")]) await utimes(path, longAgo, longAgo);
  expect((await other.provision()).exitCode).toBe(0);
  expect(await readdir(other.cache)).toEqual([finished.split("/").at(-1)]);
});

test.each([
  ["no Go", { PATH: "/nonexistent" }, /needs Go 1\.26 or newer, and there is no go command on the PATH; install Go/],
  ["a Go that is too old", { FAKE_GO_VERSION: "go1.22.3" }, /needs Go 1\.26 or newer, but the one on the PATH is go1\.22\.3; install Go/],
  ["a build that fails", { FAKE_GO_FAILURE: "cannot reach the module proxy" }, /building etcd of etcd 3\.7\.\d+ .* failed: cannot reach the module proxy;/],
  ["a named directory without etcd", { ETCDSAFE_ETCD_3_7: "/nonexistent" }, /ETCDSAFE_ETCD_3_7=\/nonexistent: no executable etcd in it/],
])("provisioning: %s ends with one line that says what to do", async (_, env, line) => {
  await using at = await bench();
  const result = await at.provision(env);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(line);
  expect(result.stderr.replace(/^Building .*\n/, "")).toMatch(/^etcdsafe: .*ETCDSAFE_ETCD_3_7.*\n$/);
  if (existsSync(at.cache)) expect(await readdir(at.cache)).toEqual([]);
});

test("provisioning: binaries that the user names are taken if they are of that minor", async () => {
  await using at = await bench();
  const own = (await at.provision()).stdout.split("\n")[0]?.replace(/\/etcd$/, "") ?? "";
  const given = await at.provision({ ETCDSAFE_ETCD_3_7: own, PATH: "/usr/bin:/bin" });
  expect(given.stdout.split("\n")[0]).toBe(join(own, "etcd"));
  await writeFile(join(own, "etcd"), "#!/bin/sh\necho 'etcd Version: 3.5.35'\n");
  expect((await at.provision({ ETCDSAFE_ETCD_3_7: own })).stderr).toMatch(/its etcd is 3\.5\.35, not 3\.7/);
});

test("provisioning: etcd 3.4 is taken from the PATH where etcdctl lies beside it, and from where the user says", async () => {
  await using directory = await temporaryDirectory("etcd-3.4");
  const [bin, elsewhere] = [join(directory.path, "bin"), join(directory.path, "elsewhere")];
  for (const each of [bin, elsewhere]) await mkdir(each);
  await writeFile(join(bin, "etcd"), "#!/bin/sh\necho 'etcd Version: 3.4.23'\n", { mode: 0o755 });
  vi.stubEnv("ETCDSAFE_ETCD_3_4", undefined);
  vi.stubEnv("PATH", [elsewhere, bin, "/usr/bin", "/bin"].join(delimiter));
  const installed = await systemEtcd34();
  expect(installed?.etcd).not.toBe(join(bin, "etcd")); // It comes without etcdctl, in a package of its own.
  await writeFile(join(bin, "etcdctl"), "", { mode: 0o755 });
  expect(await systemEtcd34()).toEqual({ etcd: join(bin, "etcd"), etcdctl: join(bin, "etcdctl") });
  vi.stubEnv("ETCDSAFE_ETCD_3_4", elsewhere);
  await expect(systemEtcd34()).rejects.toThrow(/^ETCDSAFE_ETCD_3_4=.*elsewhere: no executable etcd in it; unset it\.$/);
});

afterEach(() => vi.unstubAllEnvs());
