import { execFile } from "node:child_process";
import { mkdir, open, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { type Reloadable, Reloading } from "../../src/agent/reloading.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { LogEvent } from "../../src/runtime.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const POLL_MS = 5_000;

/** Looks when it is told to, and waits for what hangs until told. `refuse` tells why, or undefined. */
async function watching(...files: readonly (Pick<Reloadable, "name" | "files"> & { readonly refuse?: () => string | undefined | Promise<undefined> })[]) {
  const [taken, logged]: [string[], LogEvent[]] = [[], []];
  let refused: readonly string[] = [];
  let [asleep, look] = [Promise.withResolvers<void>(), () => {}];
  let giveUp: () => void = () => undefined;
  const slept = (delayMs: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (delayMs !== POLL_MS) {
        giveUp = resolve;
        return;
      }
      look = resolve;
      asleep.resolve();
    });
  const reloading = new Reloading({ runtime: { sleep: slept, log: (event) => void logged.push(event) }, refused: (messages) => (refused = messages) });
  for (const { refuse = () => undefined, ...file } of files) {
    const take = async () => {
      const why = await refuse();
      if (why !== undefined) throw new EtcdsafeError("CONFIG_INVALID", why);
      taken.push(file.name);
    };
    await reloading.watch({ ...file, take });
  }
  const over = new AbortController();
  const ended = reloading.run(over.signal);
  await asleep.promise;
  /** What it has taken at the next look; `ask`: which comes because somebody asked for it. */
  const next = async (ask = false) => {
    asleep = Promise.withResolvers();
    if (ask) reloading.askFor();
    else look();
    await asleep.promise;
    return taken.splice(0).toSorted();
  };
  return {
    next,
    giveUp: () => giveUp(),
    /** It ends by itself when it is told to. */
    stop: () => {
      over.abort();
      return ended;
    },
    refused: () => refused,
    messages: () => logged.splice(0).map(({ level, message }) => `${level}: ${message}`),
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await ended;
    },
  };
}

test("reloading: a file that is written again, or replaced by a rename, is taken when its content is another", async () => {
  await using directory = await temporaryDirectory("reloading");
  const path = join(directory.path, "agent.yaml");
  await writeFile(path, "a: 1\n");
  await using watched = await watching({ name: "a", files: [path, "/dev/null"] });
  expect(await watched.next()).toEqual([]);
  await writeFile(path, "a: 2\n");
  expect([await watched.next(), await watched.next()]).toEqual([["a"], []]);
  await writeFile(path, "a: 2\n");
  expect(await watched.next()).toEqual([]);
  const replace = async (text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  await replace("a: 3\n");
  expect(await watched.next()).toEqual(["a"]);
  await replace("a: 3\n");
  expect(await watched.next()).toEqual([]);
  expect(watched.messages()).toEqual(["info: a was read again", "info: a was read again"]);
});

test("reloading: a ConfigMap's file changes by the link that its directory is", async () => {
  await using directory = await temporaryDirectory("reloading");
  // As kubelet does it: agent.yaml -> ..data/agent.yaml, ..data -> ..<time>, and the link ..data replaced by a rename.
  const version = async (name: string, text: string) => {
    await mkdir(join(directory.path, name));
    await writeFile(join(directory.path, name, "agent.yaml"), text);
    await symlink(name, join(directory.path, "..data_tmp"));
    await rename(join(directory.path, "..data_tmp"), join(directory.path, "..data"));
  };
  await version("..2026_11_22_04_00_00.1", "a: 1\n");
  await symlink("..data/agent.yaml", join(directory.path, "agent.yaml"));
  await using watched = await watching({ name: "a", files: [join(directory.path, "agent.yaml")] });
  await version("..2026_11_22_05_00_00.2", "a: 2\n");
  expect(await watched.next()).toEqual(["a"]);
  await rm(join(directory.path, "..2026_11_22_04_00_00.1"), { recursive: true });
  expect(await watched.next()).toEqual([]);
  await version("..2026_11_22_06_00_00.3", "a: 2\n");
  expect(await watched.next()).toEqual([]);
});

test("reloading: what is absent at one look is being replaced; at two, that is told until it is back", async () => {
  await using directory = await temporaryDirectory("reloading");
  const path = join(directory.path, "token");
  await writeFile(path, "1");
  let isThere = true;
  await using watched = await watching({ name: "the token", files: [path], refuse: () => (isThere ? undefined : "there is no token") });
  const [remove, write] = [
    async () => {
      await rm(path);
      isThere = false;
    },
    async (text: string) => {
      await writeFile(path, text);
      isThere = true;
    },
  ];
  await remove();
  expect([await watched.next(), watched.refused()]).toEqual([[], []]);
  await write("1");
  expect([await watched.next(), watched.messages()]).toEqual([[], []]);
  await remove();
  for (const refused of [[], ["there is no token"], ["there is no token"]]) expect([await watched.next(), watched.refused()]).toEqual([[], refused]);
  expect(watched.messages()).toEqual(["error: the token is refused, and the one before is kept: there is no token"]);
  await write("1");
  expect([await watched.next(), watched.refused(), watched.messages()]).toEqual([["the token"], [], ["info: the token was read again"]]);
});

test("reloading: what is wrong with one, or absent, keeps no other from being taken; whoever asks has all taken that can be", async () => {
  await using directory = await temporaryDirectory("reloading");
  const [config, cert, key, token] = ["config", "cert", "key", "token"].map((name) => join(directory.path, name)) as [string, string, string, string];
  for (const path of [config, cert, key, token]) await writeFile(path, "1");
  const wrong = new Map<string, string>();
  const named = (name: string, ...files: readonly string[]) => ({ name, files, refuse: () => wrong.get(name) });
  await using watched = await watching(named("config", config), named("pair", cert, key), named("token", token), named("nothing"));
  await writeFile(config, "2");
  wrong.set("config", "it is wrong");
  await writeFile(cert, "2");
  expect([await watched.next(), watched.refused()]).toEqual([["pair"], ["it is wrong"]]);
  await rm(key);
  await writeFile(config, "3");
  wrong.delete("config");
  expect([await watched.next(), watched.refused()]).toEqual([["config"], []]);
  await rm(token);
  wrong.set("token", "it is gone");
  wrong.set("pair", "a file is gone");
  expect([await watched.next(true), watched.refused()]).toEqual([
    ["config", "nothing"],
    ["a file is gone", "it is gone"],
  ]);
  await writeFile(token, "1");
  wrong.delete("token");
  expect([await watched.next(), watched.refused()]).toEqual([["token"], ["a file is gone"]]);
});

test("reloading: what hangs is told, keeps no other from being taken, is not read once more, and is taken when it ends", async () => {
  await using directory = await temporaryDirectory("reloading");
  const [hung, token] = ["hung", "token"].map((name) => join(directory.path, name)) as [string, string];
  for (const path of [hung, token]) await writeFile(path, "1");
  const hangs = Promise.withResolvers<undefined>();
  let reads = 0;
  const refuse = () => {
    reads += 1;
    return hangs.promise;
  };
  await using watched = await watching({ name: "the mount", files: [hung], refuse }, { name: "the token", files: [token] });
  for (const path of [hung, token]) await writeFile(path, "2");
  const first = watched.next();
  await expect.poll(() => watched.messages()).toEqual(["info: the token was read again"]);
  watched.giveUp();
  const told = `what reads ${hung} hangs: look at the mount, and start the agent again where that does not end it`;
  expect([await first, watched.refused(), watched.messages()]).toEqual([["the token"], [told], [`error: the mount is kept as it was before: ${told}`]]);
  await writeFile(token, "3");
  const second = watched.next(true);
  await expect.poll(() => watched.messages()).toEqual(["info: the token was read again"]);
  watched.giveUp();
  expect([await second, watched.refused(), watched.messages(), reads]).toEqual([["the token"], [told], [], 1]);
  hangs.resolve(undefined);
  await expect.poll(() => watched.messages()).toEqual(["info: the mount was read again"]);
  expect([await watched.next(), watched.refused(), watched.messages()]).toEqual([["the mount"], [], []]);
});

test("reloading: a file that hangs keeps nobody from stopping", async () => {
  await using directory = await temporaryDirectory("reloading");
  const path = join(directory.path, "token");
  await writeFile(path, "1");
  await using watched = await watching({ name: "the token", files: [path] });
  await rm(path);
  await promisify(execFile)("mkfifo", [path]);
  try {
    void watched.next();
    await sleep(100);
    await watched.stop();
  } finally {
    await (await open(path, "r+")).close(); // Or the read would outlive the test.
  }
});

test("reloading: whoever asks before it runs is heard", async () => {
  const over = new AbortController();
  const reloading = new Reloading({ runtime: { sleep: () => Promise.reject(new Error("it sleeps")), log: () => undefined }, refused: () => undefined });
  await reloading.watch({ name: "a", files: [], take: async () => over.abort() });
  reloading.askFor();
  await reloading.run(over.signal);
});

test("reloading: a fault of etcdsafe's is none of the file's", async () => {
  const reloading = new Reloading({ runtime: { sleep: async () => undefined, log: () => undefined }, refused: () => undefined });
  await reloading.watch({ name: "a", files: [], take: () => Promise.reject(new TypeError("a fault")) });
  reloading.askFor();
  await expect(reloading.run(new AbortController().signal)).rejects.toThrow("a fault");
});
