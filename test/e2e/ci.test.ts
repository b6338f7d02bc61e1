// config/ci/, done to the letter: what the pipelines run is taken from their files and run by bash as their runners do, against backups that a save of a real
// etcd has stored in a directory and in a bucket; only URLs and secrets are set as an operator would set them.
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { NODE } from "../support/cli.ts";
import { type CommandResult, type RunningCommand, runCommand, startCommand } from "../support/command.ts";
import { startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { readJunit } from "../support/junit-report.ts";
import { expectExit } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const directory = await temporaryDirectory("ci");
const at = (name: string) => join(directory.path, name);
const identity = await generateX25519Identity();
let server: S3Server;
/** An encrypted backup's repositories, by kind and health. */
const repositories = { file: { good: at("good"), damaged: at("damaged") }, s3: { good: "", damaged: "" } };

beforeAll(async () => {
  await mkdir(at("bin"));
  await writeFile(at("bin/etcdsafe"), `#!/bin/sh\nexec ${NODE} ${ROOT}bin/etcdsafe.js "$@"\n`, { mode: 0o755 });
  server = await startVersitygw();
  await using cluster = await startCluster({ minor: "3.7" });
  await putMany(
    await cluster.client(),
    Array.from({ length: 200 }, (_, index) => ({ key: `key-${index}`, value: `value ${index}` })),
  );
  const [good, damaged] = [await server.createBucket(), await server.createBucket()];
  repositories.s3 = { good: `s3://${good}/etcd`, damaged: `s3://${damaged}/etcd` };
  const places = [...Object.values(repositories.file), ...Object.values(repositories.s3)].flatMap((place) => ["--repository", place]);
  const save = ["save", "--endpoints", cluster.endpoints.join(","), ...places, "--recipient", await identityToRecipient(identity), "-o", "json"];
  const { manifest } = JSON.parse((await expectExit(0, save, storeEnvironment())).stdout);
  const object = `default/backups/${manifest.id}/snapshot.db.zst.age`;
  const path = join(repositories.file.damaged, object);
  const bytes = flipped(await readFile(path));
  await chmod(path, 0o600);
  await writeFile(path, bytes);
  const stored = await server.client.send(new GetObjectCommand({ Bucket: damaged, Key: `etcd/${object}` }));
  await server.client.send(new PutObjectCommand({ Bucket: damaged, Key: `etcd/${object}`, Body: flipped(await stored.Body!.transformToByteArray()) }));
});
afterAll(async () => {
  await server?.stop();
  await directory.remove();
});

function flipped(bytes: Uint8Array): Uint8Array {
  bytes[bytes.length >> 1]! ^= 1;
  return bytes;
}

const storeEnvironment = () => ({ ...server.env, ETCDSAFE_S3_ENDPOINT: server.url, ETCDSAFE_S3_PATH_STYLE: "true" });

interface Pipeline {
  readonly name: "github-actions" | "gitlab-ci";
  /** Runs what the file runs, but for what installs etcdsafe. `level`: what the operator sets it to, if anything. */
  run(repository: string, secret: string, level?: string): Promise<Ran>;
}

interface Ran extends CommandResult {
  readonly junit: string;
  /** Files that were left for others to find. */
  readonly left: readonly string[];
}

const PIPELINES: readonly Pipeline[] = [
  {
    name: "github-actions",
    run: async (repository, secret, level = "") => {
      const { jobs } = await file("github-actions");
      const [step, ...others] = jobs.verify.steps.filter(({ run }: Step) => run?.includes("etcdsafe verify"));
      expect(others).toEqual([]);
      const values: Record<string, string> = { "vars.ETCDSAFE_REPOSITORY": repository, "secrets.ETCDSAFE_IDENTITY": secret, "vars.ETCDSAFE_LEVEL": level };
      const filledIn = (text: string) => text.replace(EXPRESSION, (_, key, otherwise) => values[key] || otherwise || "");
      const env = Object.fromEntries(Object.entries<string>(step.env).map(([name, text]) => [name, filledIn(text)]));
      return inJob(step.run, { ...env, GITHUB_ACTIONS: "true" }, "etcdsafe.xml", "bash", "--noprofile", "--norc", "-eo", "pipefail");
    },
  },
  {
    name: "gitlab-ci",
    run: async (repository, secret, level) => {
      const job = (await file("gitlab-ci"))["verify-etcd-backups"];
      const set = { ETCDSAFE_REPOSITORY: repository, IDENTITY: secret, ...(level === undefined ? {} : { ETCDSAFE_LEVEL: level }) };
      const env = { ...job.variables, ...set, AWS_ID_TOKEN: "token-of-the-job", GITLAB_CI: "true" }; // What the project sets beats the file.
      return inJob(job.script.join("\n"), env, job.artifacts.reports.junit, "bash", "-eo", "pipefail");
    },
  },
];

/** What GitHub puts in before the shell sees it. */
const EXPRESSION = /\$\{\{\s*([\w.]+)(?:\s*\|\|\s*'(.*?)')?\s*\}\}/g;

interface Step {
  readonly run?: string;
  readonly uses?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: documents of two systems.
async function file(name: Pipeline["name"]): Promise<any> {
  return parse(await readFile(join(ROOT, "config/ci", `${name}.yaml`), "utf8"));
}

let jobs = 0;

interface Job {
  readonly running: RunningCommand;
  ended(): Promise<Ran>;
}

type Shell = readonly [program: string, ...args: string[]];

async function startJob(script: string, given: Readonly<Record<string, string>>, report: string, [program, ...args]: Shell): Promise<Job> {
  const workspace = at(`job-${jobs++}`);
  const temporary = join(workspace, "tmp");
  await mkdir(temporary, { recursive: true });
  const runner = { PATH: `${at("bin")}:${process.env["PATH"]}`, HOME: workspace, TMPDIR: temporary, RUNNER_TEMP: workspace, XDG_CACHE_HOME: "/dev/null" };
  await writeFile(join(workspace, "script.sh"), script);
  const running = startCommand(program, [...args, "script.sh"], { cwd: workspace, env: { ...storeEnvironment(), ...runner, ...given } });
  const ended = async () => {
    const result = await running.finished;
    const left = (await readdir(workspace, { recursive: true })).filter((name) => !["script.sh", "tmp", report].includes(name));
    return { ...result, junit: await readFile(join(workspace, report), "utf8"), left };
  };
  return { running, ended };
}

async function inJob(script: string, given: Readonly<Record<string, string>>, report: string, ...shell: Shell): Promise<Ran> {
  return (await startJob(script, given, report, shell)).ended();
}

describe.each(PIPELINES)("config/ci/$name.yaml", ({ name, run }) => {
  test.each(["file", "s3"] as const)("verifies the newest backup of a repository (%s) with its identity, and is green where that is good", async (kind) => {
    const ran = await run(repositories[kind].good, identity);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(readJunit(ran.junit)).toMatchObject([{ classname: `${repositories[kind].good}/default`, status: "success", properties: { level: "structure" } }]);
    expect(`${ran.stdout}${ran.stderr}${ran.junit}`).not.toMatch(/::error|::warning|AGE-SECRET-KEY|token-of-the-job/);
    expect(ran.left).toEqual([]);
  });

  test.each(["file", "s3"] as const)(
    "is red where one byte of it was changed (%s), with a failure in the report, and an annotation for GitHub alone",
    async (kind) => {
      const ran = await run(repositories[kind].damaged, identity);
      expect(ran.exitCode, ran.stderr).toBe(6);
      const [only, ...others] = readJunit(ran.junit);
      expect(only).toMatchObject({
        classname: `${repositories[kind].damaged}/default`,
        status: "failed",
        output: expect.stringMatching(/byte \d+[\s\S]*OBJECT_CORRUPT/),
      });
      expect(others).toEqual([]);
      if (name === "github-actions")
        expect(ran.stderr).toMatch(/^::error title=OBJECT_CORRUPT%3A default\/\d{8}T\d{6}Z-\d{19}-\w{6} in .*::.*snapshot\.db\.zst\.age/m);
      else expect(ran.stderr).not.toContain("::");
      expect(ran.left).toEqual([]);
      const again = await run(repositories[kind].damaged, identity); // It is the only one: `latest` does not pass it over.
      expect(again.exitCode).toBe(6);
    },
  );

  test("is red where an identity is needed and missing, and verifies what it can where somebody says that there is none", async () => {
    const lost = await run(repositories.file.good, "");
    expect(lost.exitCode, lost.stderr).toBe(10);
    expect(readJunit(lost.junit)).toMatchObject([{ status: "error", output: expect.stringMatching(/DECRYPTION_KEY_MISSING: .*no key was given/) }]);
    if (name === "github-actions") expect(lost.stderr).toMatch(/^::error title=DECRYPTION_KEY_MISSING%3A default in /m);
    const shallow = await run(repositories.file.good, "", "stored-bytes");
    expect(shallow.exitCode, shallow.stderr).toBe(0);
    expect(readJunit(shallow.junit)).toMatchObject([{ status: "success", properties: { level: "stored-bytes" } }]);
  });

  test("is red where the repository is not there, with an error in the report", async () => {
    const ran = await run(at("absent"), identity);
    expect(ran.exitCode, ran.stderr).toBe(8);
    expect(readJunit(ran.junit)).toMatchObject([{ status: "error", output: expect.stringMatching(/REPOSITORY_NOT_FOUND/) }]);
  });

  test("installs this version", async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const text = await readFile(join(ROOT, "config/ci", `${name}.yaml`), "utf8");
    expect(text.match(/PACKAGE: (\S+)/)?.[1]).toBe(`etcdsafe@${version}`);
    expect(text.match(/.*npm install.*/g)).toEqual([expect.stringContaining('npm install --global "$PACKAGE"')]);
  });
});

test("config/ci/github-actions.yaml: no action by a name that may move, no rights but the token, an end, and no two at a time", async () => {
  const workflow = await file("github-actions");
  for (const { uses } of workflow.jobs.verify.steps as Step[]) if (uses !== undefined) expect(uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
  expect(workflow.permissions).toEqual({ "id-token": "write" });
  expect(workflow.on.schedule).toHaveLength(1);
  expect(workflow).toMatchObject({ concurrency: { "cancel-in-progress": false }, jobs: { verify: { "timeout-minutes": 60 } } });
  const upload = workflow.jobs.verify.steps.at(-1);
  expect(upload).toMatchObject({ if: "always()", with: { path: expect.stringMatching(/runner\.temp \}\}\/etcdsafe\.xml$/) } });
  // Secrets come as variables, which no shell takes for its own words.
  for (const { run } of workflow.jobs.verify.steps as Step[]) expect(run ?? "").not.toContain("${{");
});

test("config/ci/gitlab-ci.yaml: scheduled pipelines alone, an end, no two at a time, and the report whatever came out", async () => {
  const job = (await file("gitlab-ci"))["verify-etcd-backups"];
  expect(job.rules).toEqual([{ if: '$CI_PIPELINE_SOURCE == "schedule"' }]);
  expect(job).toMatchObject({ timeout: "1 hour", resource_group: "verify-etcd-backups", artifacts: { when: "always", reports: { junit: "etcdsafe.xml" } } });
});

test("config/ci/gitlab-ci.yaml: a role is taken on by the token of the job, which only this user can read", async () => {
  const job = (await file("gitlab-ci"))["verify-etcd-backups"];
  await mkdir(at("spy"), { recursive: true });
  await writeFile(
    at("spy/etcdsafe"),
    `#!/bin/sh\nstat -c %a "$AWS_WEB_IDENTITY_TOKEN_FILE" "$ETCDSAFE_IDENTITY_FILE"; cat "$AWS_WEB_IDENTITY_TOKEN_FILE"; echo; env | grep -c -e '^IDENTITY=' -e '^AWS_ID_TOKEN='; touch etcdsafe.xml\n`,
    {
      mode: 0o755,
    },
  );
  const env = { IDENTITY: identity, AWS_ID_TOKEN: "token-of-the-job", AWS_ROLE_ARN: "arn:aws:iam::1:role/x", PATH: `${at("spy")}:${process.env["PATH"]}` };
  const { stdout, stderr, left } = await inJob(job.script.join("\n"), env, "etcdsafe.xml", "bash", "-eo", "pipefail");
  expect(stdout, stderr).toBe("600\n600\ntoken-of-the-job\n0\n");
  expect(left).toEqual([]);
});

test.each([
  ["bash", "-eo", "pipefail"],
  ["dash", "-e"],
] as const)("config/ci/gitlab-ci.yaml: a job that is cancelled leaves no key behind, whichever shell it runs in: %s", async (...shell) => {
  const job = (await file("gitlab-ci"))["verify-etcd-backups"];
  await mkdir(at("waiting"), { recursive: true });
  const waiting = 'trap "touch etcdsafe.xml; exit 143" TERM; cat "$ETCDSAFE_IDENTITY_FILE" > /dev/null && echo begun; sleep 60 & wait "$!"';
  await writeFile(at("waiting/etcdsafe"), `#!/bin/bash\n${waiting}\n`, { mode: 0o755 });
  const env = { IDENTITY: identity, PATH: `${at("waiting")}:${process.env["PATH"]}` };
  const { running, ended } = await startJob(job.script.join("\n"), env, "etcdsafe.xml", ["setsid", ...shell]);
  await running.printed(/begun/);
  process.kill(-running.pid, "SIGTERM"); // As runners do it: every process of the job.
  expect(await ended()).toMatchObject({ signal: "SIGTERM", left: [] });
});

test("config/ci/gitlab-ci.yaml: where nothing can be installed, the report of the job before is not taken for that of this one", async () => {
  const job = (await file("gitlab-ci"))["verify-etcd-backups"];
  expect(job.variables).toMatchObject({ GIT_STRATEGY: "none" });
  await mkdir(at("offline"), { recursive: true });
  await writeFile(at("offline/npm"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  await writeFile(at("offline/etcdsafe.xml"), "that of yesterday");
  const env = { ...job.variables, PATH: `${at("offline")}:${process.env["PATH"]}` };
  const { exitCode } = await runCommand("bash", ["-ec", job.before_script.join("\n")], { cwd: at("offline"), env });
  expect([exitCode, await readdir(at("offline"))]).toEqual([1, ["npm"]]);
});
