// The Dockerfile, step by step without a container engine; then what the image holds, run as a container would run it: with its tree as the whole root, read-only,
// as the image's user, and only the temporary directory to write to.
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NODE } from "../support/cli.ts";
import { type CommandResult, outputOf, runCommand } from "../support/command.ts";
import { startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { startVersitygw } from "../support/versitygw.ts";
import { type BuiltImage, buildImage, packagesIn, parseDockerfile } from "./dockerfile.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const directory = await temporaryDirectory("image");
const path = (name: string) => join(directory.path, name);
let image: BuiltImage;

beforeAll(async () => {
  await chmod(directory.path, 0o755);
  const environment = { ...process.env, PATH: `${dirname(NODE)}:${process.env["PATH"]}`, npm_config_prefer_offline: "true" };
  image = await buildImage({ context: ROOT, directory: path("build"), environment, instead: developersPackages });
  await mkdir(path("tmp"));
  await chmod(path("tmp"), 0o1777);
});
afterAll(() => directory.remove());

/** What compiles is here already, by the same command from the same package-lock.json; to install it once more would take a minute and a half. */
async function developersPackages(stage: string, command: string, stageDirectory: string): Promise<boolean> {
  if (stage !== "build" || !/^npm ci --ignore-scripts /.test(command)) return false;
  await symlink(join(ROOT, "node_modules"), join(stageDirectory, "node_modules"));
  return true;
}

/**
 * The image's entrypoint, with the arguments, as process 1 in namespaces of its own for mounts and processes. As root, as the image's user; else as the user who may
 * only be root in a namespace. Beside the temporary directory only `writable` can be written to, which is `/data` inside.
 */
async function inImage(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  writable = path("tmp"),
  entrypoint = image.entrypoint,
): Promise<CommandResult> {
  return await inRoot('exec chroot $user "$root" "$@"', [...entrypoint, ...args], env, writable);
}

/** `script`: what process 1, a shell of this machine, does when all is mounted; `words` are its arguments. */
async function inRoot(script: string, words: readonly string[], env: Readonly<Record<string, string>>, writable = path("tmp")): Promise<CommandResult> {
  const isRoot = process.getuid?.() === 0;
  const mounting = `root=$1 tmp=$2 data=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$tmp" "$root/tmp"
mount --bind "$data" "$root/data"
for file in hosts resolv.conf; do mount --bind "/etc/$file" "$root/etc/$file"; done
mount -o remount,ro,bind "$root"`;
  for (const mountPoint of ["proc", "dev", "data"]) await mkdir(join(image.root, mountPoint), { recursive: true });
  for (const mountPoint of ["hosts", "resolv.conf"]) await writeFile(join(image.root, "etc", mountPoint), "");
  const user = isRoot ? `--userspec=${image.user} --groups=` : "";
  const apart = ["--mount", "--pid", "--fork", "--kill-child", ...(isRoot ? [] : ["--map-root-user"]), "--"];
  const command = [...apart, "sh", "-ec", `${mounting}\n${script}`, "sh", image.root, path("tmp"), writable, user];
  return await runCommand("unshare", [...command, ...words], { env: { ...image.environment, ...env } });
}

/** For the shell of inRoot. */
function healthcheck(): string {
  return `chroot $user "$root" ${image.healthcheck!.command.map((word) => `'${word}'`).join(" ")}`;
}

/** What the image's health check says beside the entrypoint with these arguments, once it is content (asked for 20 s at most); then that is stopped. */
async function healthBeside(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const asking = `(for try in $(seq 40); do ${healthcheck()} && break || sleep 0.5; done; kill 1) &`;
  return await inRoot(`${asking}\nexec chroot $user "$root" "$@"`, [...image.entrypoint, ...args], env);
}

function expectEnd(result: CommandResult, exitCode: number): void {
  expect(result.exitCode, result.stderr + result.stdout).toBe(exitCode);
}

test("image: production dependencies alone, all of them, nothing of the sources, no shell", async () => {
  const places = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")).packages as Record<
    string,
    { dev?: true; optional?: true; devOptional?: true }
  >;
  const program = join(image.root, "usr/local/lib/etcdsafe");
  const present = await packagesIn(program);
  expect(present.filter((place) => places[place] === undefined || places[place].dev === true)).toEqual([]);
  const wanted = Object.entries(places).filter(([place, { dev, optional, devOptional }]) => place !== "" && !(dev || optional || devOptional));
  expect(wanted.map(([place]) => place).filter((place) => !present.includes(place))).toEqual([]);
  expect((await readdir(program)).toSorted()).toEqual(["LICENSE", "bin", "dist", "node_modules", "package.json"]);
  expect(await readdir(join(image.root, "usr/local/bin"))).toEqual(["node"]);
  const shells = await outputOf("find", [image.root, "-name", "sh", "-o", "-name", "bash", "-o", "-name", "busybox", "-o", "-name", "npm"]);
  expect(shells).toBe("");
  const size = Number((await outputOf("du", ["-sm", "--exclude=proc", "--exclude=dev", image.root])).split("\t")[0]);
  expect(size).toBeLessThan(300);
});

test("image: what it says of itself, and the bases are those of the Node that the tests run with", async () => {
  const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  expect(image).toMatchObject({ base: "scratch", user: "65532:65532", command: ["help"] });
  expect(image.healthcheck).toEqual({
    command: [...image.entrypoint, "health", "1"],
    options: { interval: "1m", timeout: "30s", "start-period": "1m", retries: "3" },
  });
  expect(image.labels).toMatchObject({
    "org.opencontainers.image.version": manifest.version,
    "org.opencontainers.image.description": manifest.description,
    "org.opencontainers.image.licenses": manifest.license,
  });
  const bases = parseDockerfile(await readFile(join(ROOT, "Dockerfile"), "utf8")).filter(({ name }) => name === "FROM");
  for (const { text } of bases.slice(0, -1)) expect(text).toMatch(new RegExp(`^node:${RegExp.escape(manifest.devDependencies.node)}-trixie AS \\w+$`));
  expect(await outputOf(NODE, ["--version"])).toBe(`v${manifest.devDependencies.node}\n`);
});

test("image: says its version, saves, lists, verifies and restores, from a root that is read-only and as a user without a home", async () => {
  const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const version = await inImage(["version"]);
  expectEnd(version, 0);
  expect(version.stdout).toContain(manifest.version);
  await using cluster = await startCluster({ minor: "3.7" });
  await putMany(await cluster.client(), [{ key: "a", value: "1" }]);
  const server = await startVersitygw();
  try {
    // By name: the libraries that resolve one are those of the image.
    const url = server.url.replace("127.0.0.1", "localhost");
    const env = { ...server.env, ETCDSAFE_REPOSITORY: `s3://${await server.createBucket()}/etcd`, ETCDSAFE_S3_ENDPOINT: url, ETCDSAFE_S3_PATH_STYLE: "true" };
    const saved = await inImage(["save", "--endpoints", cluster.endpoints.join(","), "--unencrypted"], env);
    expectEnd(saved, 0);
    expect(saved.stdout).toMatch(/^state +unconfirmed/m); // One member alone.
    const elsewhere = await inImage(["save", "--endpoints", cluster.endpoints.join(","), "--output", "/snapshot.db"]);
    expect(elsewhere.stderr).toMatch(/EROFS|read-only/);
    const listed = await inImage(["list"], env);
    expectEnd(listed, 0);
    expect(listed.stderr).toBe("");
    expectEnd(await inImage(["verify", "latest"], env), 0);
    await mkdir(path("data"));
    await chmod(path("data"), 0o777);
    expectEnd(await inImage(["restore", "latest", "--data-dir", "/data/etcd", "--copy"], env, path("data")), 0);
    expect(await readdir(path("data/etcd/member"))).toEqual(expect.arrayContaining(["snap", "wal"]));
  } finally {
    await server.stop();
  }
});

test("image: its health check asks an agent where that listens, lets anything else run, and is not content where nobody answers", async () => {
  const [port] = (await claimPorts(1)) as [number];
  try {
    const unreachable = ["--endpoints", "http://127.0.0.1:9", "--repository", "/tmp/repository"];
    const agent = await healthBeside(["agent", ...unreachable, "--listen", `:${port}`]);
    expectEnd(agent, 0);
    expect(agent.stdout).toBe(`The agent at http://127.0.0.1:${port}/healthz is alive.\n`);
    const save = await healthBeside(["save", ...unreachable, "--jitter", "24h"]);
    expectEnd(save, 143);
    expect(save.stdout).toBe("Process 1 is no agent but `save`, and alive as long as it runs.\n");
    const nobody = await inRoot(`${healthcheck()} || exit $?`, [], { ETCDSAFE_LISTEN: `127.0.0.1:${port}` });
    expectEnd(nobody, 1);
    expect(nobody.stderr).toMatch(/AGENT_UNHEALTHY/);
  } finally {
    await releasePorts([port]);
  }
});

test("image: the authorities that count where none is named are there", async () => {
  const script = 'console.log(tls.getCACertificates("system").length)';
  const counted = await inImage(["--eval", script], {}, path("tmp"), image.entrypoint.slice(0, 1));
  expectEnd(counted, 0);
  expect(Number(counted.stdout)).toBeGreaterThan(50);
});

test.each([
  ["azblob://account/container", { ETCDSAFE_AZBLOB_ENDPOINT: "http://127.0.0.1:9/account", AZURE_STORAGE_KEY: "a2V5" }],
  ["gs://bucket", { ETCDSAFE_GS_ENDPOINT: "http://127.0.0.1:9" }],
])("image: the library for %s is whole, and says that nobody answers", async (repository, env) => {
  const listed = await inImage(["list", "--repository", repository, "--storage-tries", "1"], env);
  expectEnd(listed, 5);
  expect(listed.stderr).toMatch(/STORAGE_UNREACHABLE/);
});
