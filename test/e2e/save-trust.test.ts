// A save whose own configuration would call the backup damaged, since none of its trusted keys signs it: refused where the keys were typed, else told once.
import { generateKeyPairSync } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { expectFailure, expectVerdict } from "../support/failures.ts";
import { logLines, saveArguments } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("save-trust");
const at = (name: string) => join(directory.path, name);
const BY_STRANGER = ["--sign-key-file", at("stranger.pem")];
let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster({ minor: "3.7" });
  for (const name of ["signer", "stranger"]) {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    await writeFile(at(`${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(at(`${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
  }
  await writeFile(at("trusting.yaml"), "trusted-key: signer.pub\n");
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

const save = (names: readonly string[], args: readonly string[], env: Record<string, string> = {}) =>
  runCli([...saveArguments(cluster.endpoints, at(names[0]!), ...names.slice(1).flatMap((name) => ["--repository", at(name)])), ...args], { env });

test.each([[["alone"]], [["one", "other"]]])("save: keys that are typed, and would not believe it, refuse it with nothing written (to %j)", async (names) => {
  const tried: [string[], Record<string, string>, RegExp][] = [
    [[], {}, /^--trusted-key and no --sign-key-file: what is stored without a signature counts as damaged/],
    [BY_STRANGER, {}, /^--trusted-key and --sign-key-file: what is stored with the signature of .{43}=, which is not among those keys, counts as damaged/],
    [[], { ETCDSAFE_SIGN_KEY_FILE: at("stranger.pem") }, /^--trusted-key and ETCDSAFE_SIGN_KEY_FILE: what is stored with the signature of/],
  ];
  for (const [args, env, message] of tried)
    expectFailure("USAGE", await save(names, ["--trusted-key", at("signer.pub"), ...args], env), { message, hint: /Give --sign-key-file/ });
  for (const name of names) expect(await readdir(directory.path)).not.toContain(name);
});

test("save: with keys from the environment or a file it warns once, before the stream, and names both options", async () => {
  const fromEnvironment = { ETCDSAFE_TRUSTED_KEY: at("signer.pub") };
  const tried: [string[], string[], Record<string, string>, string][] = [
    [["env"], [], fromEnvironment, "ETCDSAFE_TRUSTED_KEY and no --sign-key-file: what is stored without a signature"],
    [["stranger"], BY_STRANGER, fromEnvironment, "ETCDSAFE_TRUSTED_KEY and --sign-key-file: what is stored with the signature of "],
    [["file"], ["--config", at("trusting.yaml")], {}, `trusted-key (${at("trusting.yaml")}:1) and no --sign-key-file: what is stored`],
    [["first", "second"], [], fromEnvironment, "ETCDSAFE_TRUSTED_KEY and no --sign-key-file: what is stored"],
  ];
  for (const [names, args, env, text] of tried) {
    const { exitCode, stderr } = await save(names, args, env);
    expect(exitCode, stderr).toBe(0);
    expect(warnings(stderr)).toEqual([expect.stringContaining(text)]);
    expect(warnings(stderr)[0]).toMatch(/Give --sign-key-file with a key that --trusted-key names/);
    expect(stderr.indexOf("counts as damaged")).toBeLessThan(stderr.indexOf('"phase":"stream"'));
    for (const name of names)
      expectVerdict("MANIFEST_UNTRUSTED", await runCli(["verify", "--repository", at(name), "--trusted-key", at("signer.pub"), "-o", "json"]), {
        message: /./,
      });
  }
});

test("save: what a trusted key signs, and a plain snapshot, are nothing to warn of", async () => {
  const trusting = ["--trusted-key", `${at("stranger.pub")},${at("signer.pub")}`];
  const signed = await save(["signed"], [...trusting, "--sign-key-file", at("signer.pem")]);
  expect({ exitCode: signed.exitCode, warnings: warnings(signed.stderr) }, signed.stderr).toEqual({ exitCode: 0, warnings: [] });
  const env = { ETCDSAFE_TRUSTED_KEY: at("signer.pub") };
  const plain = await runCli(["save", "--endpoints", cluster.endpoints.join(","), "--output", at("plain.db"), "--log-format", "json"], { env });
  expect({ exitCode: plain.exitCode, warnings: warnings(plain.stderr) }, plain.stderr).toEqual({ exitCode: 0, warnings: [] });
});

function warnings(stderr: string): string[] {
  return logLines(stderr).flatMap(({ level, message }) => (level === "warn" && message.includes("counts as damaged") ? [message] : []));
}
