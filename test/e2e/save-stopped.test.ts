// A save that does not do all it should once its backup is stored: whatever ended it, everybody is told that the backup is there, and in time.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HttpRequest, startHttpProxy } from "../faults/kit/http-proxy.ts";
import { runCli, startCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { startHook } from "../support/hook.ts";
import { expectExit } from "../support/saving.ts";
import { startS3Store } from "../support/stores.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("save-stopped");
const at = (name: string) => join(directory.path, name);
let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster();
  // Half a minute by SLOWLY.
  await putMany(await cluster.client(), [{ key: "k", value: randomBytes(500_000) }]);
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

const SLOWLY = ["--verify", "hash", "--limit-download", "16KiB", "-o", "json", "--log-format", "text"];
const saving = (repository: string, ...more: readonly string[]) => ["save", "--endpoints", cluster.endpoints[0]!, "--repository", at(repository), ...more];
const text = (name: string) => readFile(at(name), "utf8");

async function listed(repository: string): Promise<string[]> {
  const { backups } = JSON.parse((await expectExit(0, ["list", "--repository", at(repository), "-o", "json"])).stdout);
  return backups.map(({ id }: { id: string }) => id);
}

async function published(repository: string): Promise<boolean> {
  const names = await readdir(at(`${repository}/default/backups`), { recursive: true }).catch(() => []);
  return names.some((name) => name.endsWith("/manifest.json"));
}

test("a deadline ends what is done behind the save too: the backup is stored, and told with what was not done", async () => {
  await expectExit(0, saving("late"));
  await writeFile(at("late.log"), "");
  const args = saving("late", ...SLOWLY, "--prune", "--keep-last", "1", "--deadline", "8s", "--textfile", at("late.prom"), "--termination-log", at("late.log"));
  const begunMs = performance.now();
  const { stdout, stderr } = await expectExit(3, args);
  expect(performance.now() - begunMs).toBeLessThan(15_000);
  const failure = expect.objectContaining({ code: "DEADLINE_EXCEEDED", message: "the save took longer than 8s (--deadline)" });
  const { manifest, verifications, prunes } = JSON.parse(stdout);
  expect([verifications, prunes]).toEqual([[{ location: at("late"), result: null, failure }], [{ location: at("late"), result: null, failure }]]);
  expect(verifications[0].failure.hint).toBe(`\`etcdsafe verify ${manifest.id}\` reads it back.`);
  expect(stderr).toMatch(/warning: the backup is stored, but was not read back from .*: the save took longer than 8s/);
  expect(await listed("late")).toEqual([manifest.id, expect.any(String)]);
  expect(await text("late.prom")).toMatch(/etcdsafe_recovery_point_timestamp_seconds\{cluster="default"\} \d/);
  expect(await text("late.prom")).toMatch(/etcdsafe_last_failure_timestamp_seconds\{[^}]*action="save",reason="partly-done"\} /);
  expect(await text("late.log")).toMatch(
    new RegExp(`^exit code 3 \\(partly done\\): ${manifest.id}: .*\nnot read back from ${at("late")}: the save took longer`),
  );
});

test("a save that is stopped when its backup is stored says so, to whom it can, and waits for nobody: last words come first", async () => {
  await using silent = await startHook("silent");
  await writeFile(at("stopped.log"), "");
  const told = ["--textfile", at("stopped.prom"), "--pushgateway", silent.url, "--termination-log", at("stopped.log")];
  const env = { ETCDSAFE_HEARTBEAT: `${silent.url}/ping`, ETCDSAFE_NOTIFY: `${silent.url}/notice` };
  const run = startCli(saving("stopped", ...SLOWLY, "--prune", "--keep-last", "1", ...told), { env });
  await expect.poll(() => published("stopped"), { timeout: 30_000 }).toBe(true);
  run.signal("SIGTERM");
  const stoppedMs = performance.now();
  await expect.poll(() => text("stopped.log"), { timeout: 20_000 }).not.toBe("");
  const spokenMs = performance.now();
  const { exitCode, stdout, stderr } = await run.finished;
  expect(performance.now() - stoppedMs).toBeLessThan(9_000);
  expect(performance.now() - spokenMs).toBeGreaterThan(3_000); // Of the five that the others were waited for.
  expect(exitCode, stderr).toBe(143);
  const [id] = await listed("stopped");
  expect(JSON.parse(stdout)).toMatchObject({
    manifest: { id },
    verifications: [{ result: null, failure: { code: "INTERRUPTED", message: "stopped by SIGTERM" } }],
    prunes: [{ result: null, failure: { code: "INTERRUPTED" } }],
  });
  expect(stderr).toContain(`"message":"stopped by SIGTERM","hint":"${id} is stored, and listed; what was`);
  const lastWords = await text("stopped.log");
  expect(lastWords).toMatch(new RegExp(`^exit code 143 .*: INTERRUPTED: stopped by SIGTERM\n${id} is stored.*\n${id}: .*\nnot read back from `));
  expect(lastWords).not.toMatch(/heartbeat|webhook|metrics/);
  expect(await text("stopped.prom")).toMatch(/etcdsafe_recovery_point_timestamp_seconds\{cluster="default"\} \d/);
  expect(await text("stopped.prom")).toMatch(/etcdsafe_last_failure_timestamp_seconds\{[^}]*action="save",reason="interrupted"\} /);
  for (const path of ["/ping/143", "/notice"]) expect(silent.asked.find((each) => each.path === path)?.body).toMatch(new RegExp(`${id}.*not read back`, "s"));
  expect(stderr).toMatch(/warning: the webhook: cannot post to the webhook at http:\S+: no answer.*; given up after 5 s\. What the run itself did stands\./);
});

/** What a bucket's answers to a save leave open, from when its manifest is on its way, and what the save may say of the backup then. */
const OPEN = {
  "the look at the marker behind the manifest": { isSilent: ({ path }: HttpRequest, isThere: boolean) => isThere && path.includes("/uploads/"), isKnown: true },
  "the manifest": { isSilent: ({ method, path }: HttpRequest) => method === "PUT" && path.includes("/manifest.json"), isKnown: false },
} as const;

test.each(Object.entries(OPEN))("a save that is stopped while a bucket is silent about %s does not deny its backup", async (_, { isSilent, isKnown }) => {
  await using store = await startS3Store();
  await using proxy = await startHttpProxy(store.url);
  const options = store.options(proxy.url);
  for (const [index, more] of [[], ["--deadline", "6s"]].entries()) {
    const repository = await store.newRepository();
    let isThere = false;
    let isAsked = false;
    proxy.change((request) => {
      const harm = !isAsked && isSilent(request, isThere) ? ({ silent: true } as const) : undefined;
      if (request.method === "PUT" && request.path.includes("/manifest.json")) isThere = true;
      isAsked ||= harm !== undefined;
      return harm;
    });
    const name = `open-${isKnown}-${index}`;
    await writeFile(at(`${name}.log`), "");
    const told = ["-o", "json", "--log-format", "text", "--textfile", at(`${name}.prom`), "--termination-log", at(`${name}.log`)];
    const args = ["save", "--endpoints", cluster.endpoints[0]!, "--repository", repository, "--unencrypted", ...options, ...told, ...more];
    const run = startCli(args, { env: store.env });
    await expect.poll(() => isAsked, { timeout: 20_000 }).toBe(true);
    if (more.length === 0) run.signal("SIGTERM");
    const { exitCode, stdout, stderr } = await run.finished;
    const words = await text(`${name}.log`);
    for (const said of [stderr, words]) expect(said).not.toMatch(/nothing half done/i);
    if (isKnown) {
      expect(exitCode, stderr).toBe(more.length === 0 ? 143 : 3);
      const { id } = JSON.parse(stdout).manifest;
      expect(stderr).toMatch(new RegExp(`warning: ${id} is stored in s3://.*, but not all was done for it: `));
      expect(words).toContain(`${id}: `);
      expect(await text(`${name}.prom`)).toContain("etcdsafe_recovery_point_timestamp_seconds{");
      const list = await expectExit(0, ["list", "--repository", repository, "-o", "json", ...store.options(store.url)], store.env);
      expect(JSON.parse(list.stdout).backups).toMatchObject([{ id }]);
    } else {
      const code = more.length === 0 ? "INTERRUPTED" : "DEADLINE_EXCEEDED";
      expectFailure(code as "INTERRUPTED", { exitCode, stdout, stderr } as CommandResult, {
        message: more.length === 0 ? /^stopped by SIGTERM$/ : /^the save took longer than 6s/,
        hint: /^2\S+ may be stored in s3:.*`etcdsafe list` tells\.$/,
        ...(more.length === 0 && { exitCode: 143 }),
      });
      expect(words).toContain("may be stored in");
    }
  }
});

test("a save whose result cannot be written has failed, and nobody is told otherwise", async () => {
  await using hook = await startHook();
  const toFull = { startedBy: ["sh", "-c", 'exec "$@" > /dev/full', "sh"], env: { ETCDSAFE_HEARTBEAT: `${hook.url}/ping` } };
  const result = await runCli(saving("full", "-o", "json", "--textfile", at("full.prom")), toFull);
  expectFailure("FILE_FAILED", result, { message: /standard output cannot be written/ });
  expect(hook.asked.map(({ path }) => path)).toEqual(["/ping/start", "/ping/1"]);
  expect(hook.asked[1]!.body).toMatch(/FILE_FAILED: standard output cannot be written/);
  expect(await text("full.prom")).not.toContain("etcdsafe_last_success_timestamp_seconds{");
  expect(await text("full.prom")).toContain("etcdsafe_recovery_point_timestamp_seconds{");
});

test("a configuration that is refused is told by what of it can be read, as a metric only where the cluster's name can be", async () => {
  await using hook = await startHook();
  const env = { ETCDSAFE_HEARTBEAT: `${hook.url}/ping`, ETCDSAFE_NOTIFY: `${hook.url}/notice` };
  const refused = async (name: string, flags: readonly string[], message: RegExp, hint?: RegExp) => {
    hook.forget();
    await writeFile(at("refused.log"), "");
    const told = ["--textfile", at(`${name}.prom`), "--termination-log", at("refused.log"), "--jitter", "24h"];
    expectFailure(hint === undefined ? "CONFIG_INVALID" : "USAGE", await runCli(saving("refused", ...told, ...flags), { env }), {
      message,
      ...(hint && { hint }),
    });
    expect(await text("refused.log")).toMatch(/^exit code 2 /);
    expect(existsSync(at("refused"))).toBe(false);
    return new Map(hook.asked.map(({ path, body }) => [path, body]));
  };
  await writeFile(at("unknown.yaml"), "stall-limt: 5m\n");
  const asked = await refused("unknown", ["--config", at("unknown.yaml")], /is not the name of an option/);
  expect([...asked.keys()].sort()).toEqual(["/notice", "/ping/2", "/ping/start"]);
  expect(JSON.parse(asked.get("/notice")!).text).toMatch(/^etcdsafe save of default on \S+ failed: usage\nCONFIG_INVALID: .*is not the name of an option/);
  expect(await text("unknown.prom")).toMatch(/etcdsafe_last_failure_timestamp_seconds\{cluster="default",action="save",reason="usage"\} /);

  // Whose save this was to be, nobody knows.
  await writeFile(at("broken.yaml"), "cluster: [prod\n");
  expect([...(await refused("broken", ["--config", at("broken.yaml")], /broken\.yaml:/)).keys()]).toContain("/ping/2");
  expect(existsSync(at("broken.prom"))).toBe(false);
  await refused("named", ["--config", at("broken.yaml"), "--cluster", "prod"], /broken\.yaml:/);
  expect(await text("named.prom")).toMatch(/etcdsafe_last_failure_timestamp_seconds\{cluster="prod",/);

  const contradicting = ["--spool-dir", "/tmp", "--no-spool"];
  expect([...(await refused("contradicting", contradicting, /--no-spool and --spool-dir/, /^Give one of the two/)).keys()]).toContain("/ping/2");
  // Who could not be told does not keep the others from it.
  hook.forget();
  const untold = await expectExit(3, saving("untold", "--notify-file", at("none")), { ETCDSAFE_HEARTBEAT: env.ETCDSAFE_HEARTBEAT });
  expect(untold.stderr).toMatch(/there is no such file/);
  expect(hook.asked.map(({ path }) => path).sort()).toEqual(["/ping/3", "/ping/start"]);
});

test("a signal while others are told how a run failed changes neither its end nor what is said of it", async () => {
  await using silent = await startHook("silent");
  await writeFile(at("failed.log"), "");
  const args = saving("failed", "--spool-dir", at("none"), "--termination-log", at("failed.log"));
  const run = startCli(args, { env: { ETCDSAFE_HEARTBEAT: `${silent.url}/ping` } });
  await expect.poll(() => text("failed.log"), { timeout: 20_000 }).not.toBe("");
  const spoken = await text("failed.log");
  run.signal("SIGTERM");
  const result = await run.finished;
  expect(result.stderr).toContain("SIGTERM: stopping");
  expectFailure("FILE_NOT_FOUND", result, { message: /there is no directory .* for the spool/, hint: /^Create it/ });
  expect(await text("failed.log")).toBe(spoken);
  expect(spoken).toMatch(/^exit code 8 .*: FILE_NOT_FOUND: /);
});

test("a command that is stopped before it has begun says that nothing was", async () => {
  const run = startCli(["verify", "--repository", at("waits"), "--jitter", "24h"]);
  await run.printed(/beginning in/);
  run.signal("SIGTERM");
  expectFailure("INTERRUPTED", await run.finished, { message: /^stopped by SIGTERM$/, hint: /^It had not begun; run it again\.$/, exitCode: 143 });
});

test("last words name what was found, not who could not be told; also where nobody else is told", async () => {
  await using refusing = await startHook(404);
  const lying = fileURLToPath(new URL("../support/corrupt-published.ts", import.meta.url));
  const options = { nodeArguments: ["--import", lying], env: { ETCDSAFE_HEARTBEAT: `${refusing.url}/ping` } };
  await writeFile(at("words"), "");
  const saved = await runCli(saving("damaged", "--verify", "hash", "--termination-log", at("words")), options);
  expect(saved.exitCode, saved.stderr).toBe(6);
  expect(saved.stderr).toMatch(/warning: the heartbeat: cannot ping .*: HTTP status 404: OK\. .*Check the URL/);
  expect(await text("words")).toMatch(/^exit code 6 \(corrupt, or verification failed\): .*: damaged: /s);
  expect(await text("words")).not.toContain("heartbeat");
  await writeFile(at("words"), "");
  await expectExit(6, ["verify", "--all", "--repository", at("damaged"), "--termination-log", at("words")]);
  expect(await text("words")).toMatch(/^exit code 6 \(corrupt, or verification failed\): \S+: damaged: /);
});
