// Encrypted and signed backups by the command line: saved by a host that cannot read them, refused without the right key, recovered by hand.
import { generateKeyPairSync } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import { provisionAge } from "../../scripts/provision/age.ts";
import { provisionZstd } from "../../scripts/provision/zstd.ts";
import { runCli } from "../support/cli.ts";
import { outputOf } from "../support/command.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure, expectVerdict } from "../support/failures.ts";
import { expectExit, logLines } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("encryption");
const at = (name: string) => join(directory.path, name);
const PASSPHRASE = "correct horse battery staple";
let cluster: EtcdCluster;
/** Recipients of the identities in own.txt and other.txt. */
let own: string;
let other: string;
/** Encrypted to `own`, and signed. */
let original: string;
let originalId: string;

beforeAll(async () => {
  cluster = await startCluster({ minor: "3.7" });
  await putMany(
    await cluster.client(),
    Array.from({ length: 50 }, (_, index) => ({ key: `key-${index}`, value: Buffer.alloc(1000, `value ${index} `) })),
  );
  [own, other] = [await writeIdentity("own.txt"), await writeIdentity("other.txt")];
  await writeFile(at("passphrase.txt"), `${PASSPHRASE}\n`);
  for (const name of ["signer", "stranger"]) {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    await writeFile(at(`${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(at(`${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
  }
  original = at("original");
  originalId = await save(original, "--recipient", own, "--sign-key-file", at("signer.pem"));
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

test("encrypted save: age, zstd and sha256sum alone give the file that the manifest describes", async () => {
  const [{ age }, zstd] = await Promise.all([provisionAge(), provisionZstd()]);
  const backup = join(original, "default", "backups", originalId);
  expect((await readdir(backup)).sort()).toEqual(["manifest.json", "manifest.json.sig", "snapshot.db.zst.age"]);
  const { objects } = JSON.parse(await readFile(join(backup, "manifest.json"), "utf8"));
  expect(objects[0]).toMatchObject({ codec: ["zstd-seekable", "age"], encryption: { scheme: "age", recipients: [own], passphrase: false } });
  const command = `"$1" -d -i "$2" snapshot.db.zst.age | "$3" -d | sha256sum`;
  const printed = await outputOf("sh", ["-c", `set -e; cd "${backup}"; ${command}`, "sh", age, at("own.txt"), zstd]);
  expect(printed.split(" ")[0]).toBe(objects[0].rawSha256);
});

test("encrypted save: list and show say to whom, without any key", async () => {
  const listed = await expectExit(0, ["list", "--repository", original]);
  expect(listed.stdout).toMatch(/ENCRYPTED TO/);
  expect(listed.stdout).toContain(`${own.slice(0, 12)}…`);
  expect((await expectExit(0, ["show", "latest", "--repository", original])).stdout).toMatch(new RegExp(`encrypted +to ${own}`));
});

test("encrypted save: verified as deep as the keys allow, and it says so", async () => {
  const without = await expectExit(0, ["verify", "--repository", original, "-o", "json"]);
  const [lessened] = JSON.parse(without.stdout).verified;
  expect(lessened).toMatchObject({ level: "stored-bytes", outcome: "passed", origin: "not-proven", findingsTotal: 1 });
  expect(lessened.findings).toMatchObject([{ severity: "warning", object: "snapshot.db.zst.age", text: expect.stringMatching(/no key was given/) }]);
  // What this reader lacked is no finding about the backup.
  const records = join(original, "default/verifications", lessened.backup);
  const [record] = await readdir(records);
  expect(JSON.parse(await readFile(join(records, record!), "utf8"))).toMatchObject({ level: "stored-bytes", findings: [], findingsTotal: 0 });
  expect(logLines(without.stderr)).toContainEqual(
    expect.objectContaining({ level: "warn", message: expect.stringMatching(/only its stored bytes are verified/) }),
  );
  const told = await expectExit(0, ["verify", "--repository", original, "--junit", at("lessened.xml")], { GITHUB_ACTIONS: "true" });
  expect(told.stderr).toMatch(/^::warning title=.*::snapshot\.db\.zst\.age: encrypted to .*: only its stored bytes are verified$/m);
  expect(await readFile(at("lessened.xml"), "utf8")).toMatch(
    /<system-out> {2}warning: snapshot\.db\.zst\.age: encrypted to .*: only its stored bytes are verified\n/,
  );
  const withKey = await expectExit(0, ["verify", "--repository", original, "--identity-file", `${at("other.txt")},${at("own.txt")}`, "-o", "json"]);
  expect(JSON.parse(withKey.stdout).verified).toMatchObject([{ level: "structure", outcome: "passed" }]);
  expectFailure("DECRYPTION_KEY_MISSING", await runCli(["verify", "--level", "structure", "--repository", original]), {
    message: new RegExp(`encrypted to ${own}, and no key was given`),
  });
  expectFailure("DECRYPTION_FAILED", await runCli(["verify", "--repository", original, "--identity-file", at("other.txt")]), {
    message: /encrypted to others than the identity given/,
  });
});

test("encrypted save: restored with its key; planned without, which says what it takes", async () => {
  const restore = (...args: string[]) => ["restore", "latest", "--repository", original, "--data-dir", at("data"), "--copy", ...args];
  const planned = JSON.parse((await expectExit(0, [...restore("--plan"), "-o", "json"])).stdout).plan.warnings.join("\n");
  expect(planned).toMatch(/Integrity only, origin not proven/);
  expect(planned).toMatch(new RegExp(`is encrypted to ${own}: restoring it takes --identity-file`));
  expectFailure("DECRYPTION_KEY_MISSING", await runCli(restore()), { message: /no key was given/ });
  expectFailure("DECRYPTION_FAILED", await runCli(restore("--identity-file", at("other.txt"))), { message: /encrypted to others/ });
  expect(await readdir(directory.path)).not.toContain("data");
  const trusting = ["--trusted-key", at("signer.pub"), "--identity-file", at("own.txt")];
  expect(JSON.parse((await expectExit(0, [...restore("--plan", ...trusting), "-o", "json"])).stdout).plan.warnings.join("\n")).not.toMatch(
    /Integrity|encrypted/,
  );
  await expectExit(0, restore(...trusting));
  expect(await readdir(at("data"))).toEqual(["member"]);
});

test("passphrase: encrypts, and opens again", async () => {
  const repository = at("by-passphrase");
  await save(repository, "--passphrase-file", at("passphrase.txt"));
  expect((await expectExit(0, ["show", "latest", "--repository", repository])).stdout).toMatch(/encrypted +with a passphrase/);
  expectFailure("DECRYPTION_KEY_MISSING", await runCli(["verify", "--level", "hash", "--repository", repository]), {
    message: /with a passphrase, and no key/,
  });
  const verified = await expectExit(0, ["verify", "--repository", repository, "--passphrase-file", at("passphrase.txt"), "-o", "json"]);
  expect(JSON.parse(verified.stdout).verified).toMatchObject([{ level: "structure", outcome: "passed" }]);
  expect(await everything(repository)).not.toContain(PASSPHRASE);
});

test("policy: its recipients are encrypted to, and where it requires encryption nothing else is stored", async () => {
  const nobody = at("by-policy-of-nobody");
  await expectExit(0, ["repo", "init", "--repository", nobody, "--require-encryption"]);
  for (const typed of [[], ["--unencrypted"]])
    expectFailure("ENCRYPTION_REQUIRED", await runCli([...saving(nobody), ...typed]), {
      message: /policy of the repository in .* requires that backups are encrypted/,
    });
  const repository = at("by-policy");
  const init = ["repo", "init", "--repository", repository, "--recipient", other];
  const made = JSON.parse((await expectExit(0, [...init, "--require-encryption", "-o", "json"])).stdout);
  expect(made.repository.policy).toEqual({ encryption: { required: true, recipients: [other] } });
  await expectExit(0, [...init, "--require-encryption"]);
  await expectExit(0, ["repo", "init", "--repository", repository]);
  expectFailure("USAGE", await runCli(init), { message: /its policy of encryption is another one/, hint: /changes none/ });
  await save(repository);
  expectFailure("ENCRYPTION_REQUIRED", await runCli([...saving(repository), "--unencrypted"]), { message: /requires/, hint: /^Leave --unencrypted away/ });
  const { backups } = JSON.parse((await expectExit(0, ["list", "--repository", repository, "-o", "json"])).stdout);
  expect(backups).toMatchObject([{ encryption: { recipients: [other] } }]);
});

test("options: what cannot be honoured is an error, and no secret is repeated", async () => {
  const identity = (await readFile(at("own.txt"), "utf8")).trim();
  const refused: [string[], RegExp][] = [
    [["--recipient", identity], /is an identity, which is secret/],
    [["--recipient", "age1nobody"], /"age1nobody" is a recipient of a kind that is not supported: X25519 only/],
    [["--recipients-file", at("own.txt")], /own\.txt, line 1: holds what is an identity/],
    [["--recipient", own, "--passphrase-file", at("passphrase.txt")], /age encrypts to recipients, or with one passphrase/],
    [["--recipient", own, "--unencrypted"], /encrypted, or not/],
    [["--recipient", own, "--sign-key-file", at("signer.pub")], /signer\.pub holds no private key/],
    [["--recipient", own, "--trusted-key", at("signer.pem")], /signer\.pem holds a private key/],
  ];
  for (const [args, message] of refused) {
    const result = await runCli([...saving(at("never")), ...args]);
    expectFailure("USAGE", result, { message, hint: /./ });
    expect(`${result.stderr}${result.stdout}`).not.toContain(identity);
  }
  expectFailure("CONFIG_INVALID", await runCli(saving(at("never")), { env: { ETCDSAFE_UNENCRYPTED: "true" } }), { message: /type --unencrypted/ });
  const opening = await runCli(["verify", "--repository", original, "--identity-file", identity]);
  expectFailure("USAGE", opening, { message: /an identity itself was given/ });
  expect(opening.stderr).not.toContain(identity);
  expect(await readdir(directory.path)).not.toContain("never");
});

test("signatures: with a trusted key, what it did not sign is damaged, and latest passes over it", async () => {
  const repository = await copied("signed");
  const unsigned = await save(repository, "--recipient", own);
  const trusting = ["--repository", repository, "--trusted-key", at("signer.pub")];
  const { backups } = JSON.parse((await expectExit(0, ["list", ...trusting, "-o", "json"])).stdout);
  expect(backups).toMatchObject([
    { id: unsigned, state: "unreadable", faults: [expect.stringMatching(/is not signed/)] },
    { id: originalId, state: "unconfirmed" },
  ]);
  const latest = await expectExit(0, ["show", "latest", ...trusting, "-o", "json"]);
  expect(JSON.parse(latest.stdout).manifest.id).toBe(originalId);
  expect(logLines(latest.stderr)).toContainEqual(expect.objectContaining({ level: "warn", message: expect.stringMatching(`${unsigned}.*is not signed`) }));
  expectFailure("MANIFEST_UNTRUSTED", await runCli(["show", unsigned, ...trusting]), { message: /is not signed, and only signed backups are trusted/ });
  expectFailure("MANIFEST_UNTRUSTED", await runCli(["restore", unsigned, "--data-dir", at("data2"), ...trusting]), { message: /is not signed/ });
  expectVerdict("MANIFEST_UNTRUSTED", await runCli(["verify", unsigned, ...trusting, "-o", "json"]), { message: /is not signed/ });
  const signed = await expectExit(0, ["verify", originalId, ...trusting, "-o", "json"]);
  expect(JSON.parse(signed.stdout).verified).toMatchObject([{ outcome: "passed", origin: "signed" }]);
  const byStranger = ["--repository", repository, "--trusted-key", at("stranger.pub")];
  expectVerdict("MANIFEST_UNTRUSTED", await runCli(["verify", "latest", ...byStranger, "-o", "json"]), { message: /is not signed/ });
  for (const command of [
    ["show", "latest"],
    ["restore", "latest", "--data-dir", at("data2")],
  ])
    expectFailure("MANIFEST_UNTRUSTED", await runCli([...command, ...byStranger]), { message: /no backup in .* may be latest: .*is not signed/ });
  // Whom one reader trusts says nothing to others.
  expect(JSON.parse((await expectExit(0, ["show", unsigned, "--repository", repository, "-o", "json"])).stdout).state).toBe("unconfirmed");
  const byOther = await runCli(["show", originalId, ...byStranger]);
  expectFailure("MANIFEST_UNTRUSTED", byOther, { message: /is signed by [A-Za-z0-9+/]{43}=, which no --trusted-key names/ });
});

test("signatures: a manifest or signature that was changed is not believed; without a trusted key, it is", async () => {
  const changes: [string, string, (text: string) => string, RegExp][] = [
    ["changed", "manifest.json", (text) => text.replace('"stateWhy": "', '"stateWhy": "not '), /is not the manifest that was signed/],
    ["hash", "manifest.json.sig", (text) => text.replace(/"signedSha256": ".{4}/, '"signedSha256": "0000'), /is not the manifest that was signed/],
    ["signature", "manifest.json.sig", (text) => text.replace(/"signature": ".{4}/, '"signature": "AAAA'), /was not made with the key it names/],
    ["junk", "manifest.json.sig", () => "{}", /has a signature that cannot be read/],
  ];
  for (const [name, file, change, message] of changes) {
    const repository = await copied(name);
    const path = join(repository, "default", "backups", originalId, file);
    await writeFile(path, change(await readFile(path, "utf8")));
    expectFailure("MANIFEST_UNTRUSTED", await runCli(["show", originalId, "--repository", repository, "--trusted-key", at("signer.pub")]), { message });
    await expectExit(0, ["show", originalId, "--repository", repository]);
  }
});

test("signatures: what has none at all is refused where a trusted key is given: files, and other tools' backups", async () => {
  const file = at("elsewhere/snapshot.db");
  await mkdir(at("elsewhere"));
  await expectExit(0, ["save", "--endpoints", cluster.endpoints.join(","), "--output", file]);
  const trusting = ["--trusted-key", at("signer.pub")];
  expectFailure("USAGE", await runCli(["verify", file, ...trusting]), {
    message: /is no backup of a repository, and nobody has signed it/,
    hint: /Leave --trusted-key out/,
  });
  const restore = ["restore", file, "--data-dir", at("data3"), "--copy", ...trusting];
  expectFailure("USAGE", await runCli(restore), { message: /nobody has signed it/, hint: /Leave --trusted-key out/ });
  // Where it is set for all commands, nobody has asked for proof of this file.
  const env = { ETCDSAFE_TRUSTED_KEY: at("signer.pub") };
  for (const command of [
    ["verify", file],
    ["restore", file, "--data-dir", at("data3"), "--copy", "--plan"],
  ]) {
    const read = await runCli(command, { env });
    expect(read.exitCode, read.stderr).toBe(0);
    expect(read.stderr).toMatch(/nobody has signed it, whatever keys are trusted \(ETCDSAFE_TRUSTED_KEY\): integrity only, origin not proven/);
  }
  expect((await expectExit(0, ["verify", file])).stderr).not.toMatch(/origin not proven/);
  const foreign = ["--repository", at("elsewhere")];
  await expectExit(0, ["list", ...foreign]);
  for (const command of [["list"], ["verify"], ["restore", "latest", "--data-dir", at("data3"), "--copy"]])
    expectFailure("MANIFEST_UNTRUSTED", await runCli([...command, ...foreign, ...trusting]), { message: /other tools' backups, which nobody has signed/ });
});

test("rekey: a new header for the same payload opens to the new recipient alone; the old backup stays", async () => {
  const repository = await copied("rekeyed");
  const trusting = ["--repository", repository, "--trusted-key", at("signer.pub")];
  const rekey = ["repo", "rekey", "latest", ...trusting, "--recipient", other, "--sign-key-file", at("signer.pem")];
  expectFailure("DECRYPTION_KEY_MISSING", await runCli(rekey), { message: /no key was given/ });
  const text = await expectExit(0, [...rekey, "--identity-file", at("own.txt")]);
  expect(text.stdout).toMatch(/Whoever could read the old backups still can/);
  const { backups } = JSON.parse((await expectExit(0, ["list", ...trusting, "-o", "json"])).stdout);
  expect(backups).toMatchObject([{ encryption: { recipients: [other] } }, { id: originalId }]);
  const [{ id }] = backups;
  const shown = JSON.parse((await expectExit(0, ["show", "latest", ...trusting, "-o", "json"])).stdout);
  expect(shown.manifest).toMatchObject({ id, origin: { kind: "rekeyed", base: originalId } });
  expect(await payloadOf(repository, id)).toEqual(await payloadOf(repository, originalId));
  await expectExit(0, ["verify", id, ...trusting, "--identity-file", at("other.txt"), "--level", "structure"]);
  expectFailure("DECRYPTION_FAILED", await runCli(["verify", id, ...trusting, "--identity-file", at("own.txt")]), { message: /encrypted to others/ });
});

test("rekey --all --new-key: every backup once, also those that were not encrypted, and nothing the second time", async () => {
  const repository = await copied("all-rekeyed");
  const plain = await save(repository);
  const rekey = [
    "repo",
    "rekey",
    "--all",
    "--new-key",
    "--unsigned",
    "--repository",
    repository,
    "--recipient",
    other,
    "-o",
    "json",
    "--identity-file",
    at("own.txt"),
  ];
  const { rekeyed } = JSON.parse((await expectExit(0, rekey)).stdout);
  expect(rekeyed).toMatchObject([
    { backup: originalId, outcome: "rekeyed" },
    { backup: plain, outcome: "rekeyed" },
  ]);
  expect(await payloadOf(repository, rekeyed[0].newId)).not.toEqual(await payloadOf(repository, originalId));
  const opened = await expectExit(0, ["verify", "--all", "--repository", repository, "--identity-file", `${at("own.txt")},${at("other.txt")}`, "-o", "json"]);
  expect(JSON.parse(opened.stdout).verified.map(({ level, outcome }: { level: string; outcome: string }) => [level, outcome])).toEqual(
    Array(4).fill(["structure", "passed"]),
  );
  const again = JSON.parse((await expectExit(0, rekey)).stdout);
  expect(again.rekeyed.map(({ outcome }: { outcome: string }) => outcome)).toEqual(Array(4).fill("already"));
});

test("rekey --all --new-key: after a new header, and again for those who had it before, nothing is done that a kept file key opens", async () => {
  const repository = at("rotated");
  await save(repository, "--recipient", own);
  const identities = ["--identity-file", `${at("own.txt")},${at("other.txt")}`];
  const rekey = async (recipient: string, ...args: string[]): Promise<{ outcome: string; newId: string }[]> =>
    JSON.parse(
      (await expectExit(0, ["repo", "rekey", "--all", ...args, "--repository", repository, "--recipient", recipient, ...identities, "-o", "json"])).stdout,
    ).rekeyed;
  await rekey(other);
  for (const recipient of [other, own, other]) {
    const { length } = await payloadsOf(repository);
    const results = await rekey(recipient, "--new-key");
    expect(results).toHaveLength(length);
    expect(results.filter(({ outcome }) => outcome === "rekeyed")).toHaveLength(1);
    const after = await payloadsOf(repository);
    expect(after).toHaveLength(length + 1);
    for (const { newId } of results) {
      const payload = await payloadOf(repository, newId);
      expect(after.filter((each) => each === payload)).toHaveLength(1);
    }
    expect((await rekey(recipient, "--new-key")).map(({ outcome }) => outcome)).toEqual(after.map(() => "already"));
    expect(await payloadsOf(repository)).toEqual(after);
  }
  await expectExit(0, ["verify", "--all", "--repository", repository, ...identities, "--level", "structure"]);
  const text = (await expectExit(0, ["repo", "rekey", "--all", "--repository", repository, "--recipient", own, ...identities])).stdout.split("\n");
  const stored = text.flatMap((line) => /stored again as (\S+)$/.exec(line)?.[1] ?? []);
  expect(stored).toHaveLength(1);
  expect(text.filter((line) => line.endsWith(`done by ${stored[0]}, which holds the same`))).toHaveLength(4);
});

test("rekey and copy: signatures are neither lost nor given without a word", async () => {
  const repository = await copied("resigned");
  const rekey = (...args: string[]) => ["repo", "rekey", ...args, "--repository", repository, "--recipient", other, "--identity-file", at("own.txt")];
  const signing = ["--sign-key-file", at("signer.pem")];
  expectFailure("SIGNATURE_REQUIRED", await runCli(rekey(originalId)), { message: /is signed, and what is made of it would not be/ });
  const lost = JSON.parse((await runCli([...rekey("--all", "--trusted-key", at("signer.pub")), "-o", "json"])).stdout);
  expect(lost.rekeyed).toMatchObject([{ backup: originalId, outcome: "failed", failure: { code: "SIGNATURE_REQUIRED" } }]);
  for (const [how, message] of [
    [["--unsigned"], /^--unsigned with --trusted-key: .* without a signature would count as damaged at once$/],
    [["--sign-key-file", at("stranger.pem")], /^--sign-key-file with --trusted-key: .* with the signature of .*= would count as damaged at once$/],
  ] as const)
    expectFailure("USAGE", await runCli(rekey("--all", ...how, "--trusted-key", at("signer.pub"))), { message, hint: /Give --sign-key-file/ });
  expectFailure("CONFIG_INVALID", await runCli(rekey(originalId), { env: { ETCDSAFE_UNSIGNED: "true" } }), { message: /type --unsigned/ });
  expectFailure("USAGE", await runCli(rekey(originalId, "--sign-unproven")), { message: /needs --sign-key-file/ });
  expect((await expectExit(0, rekey(originalId, ...signing))).stdout).toMatch(/^Signed with [A-Za-z0-9+/]{43}=\.$/m);

  const unsigned = await save(repository, "--recipient", own);
  expectFailure("MANIFEST_UNTRUSTED", await runCli(rekey(unsigned, ...signing)), { message: /nobody who is trusted has vouched/, hint: /--sign-unproven/ });
  const copy = ["copy", repository, at("resigned-copy"), "--last", "1", "--recipient", other, "--identity-file", at("own.txt"), ...signing];
  expectFailure("MANIFEST_UNTRUSTED", await runCli(copy), { message: /nobody who is trusted has vouched/, hint: /--sign-unproven/ });
  expect(await readdir(directory.path)).not.toContain("resigned-copy");
  await expectExit(0, [...copy, "--sign-unproven"]);
  await expectExit(0, ["verify", "latest", "--repository", at("resigned-copy"), "--trusted-key", at("signer.pub"), "--level", "stored-bytes"]);
  expect((await expectExit(0, rekey(unsigned, ...signing, "--sign-unproven"))).stdout).toMatch(/whoever made them/);
});

test("copy: what is there without its signature, or with one that is not believed, is not taken for copied", async () => {
  const target = at("copied-signed");
  const copyTo = async (name: string, exitCode: number, ...args: string[]) =>
    JSON.parse((await expectExit(exitCode, ["copy", original, at(name), "--last", "1", "-o", "json", ...args])).stdout).backups as unknown;
  const copy = (exitCode: number, ...args: string[]) => copyTo("copied-signed", exitCode, ...args);
  const trusting = ["--trusted-key", at("signer.pub")];
  const present = [{ backup: originalId, outcome: "present" }];
  expect(await copy(0, ...trusting)).toMatchObject([{ backup: originalId, outcome: "copied" }]);
  expect(await copy(0, ...trusting)).toMatchObject(present);
  const signature = join(target, "default/backups", originalId, "manifest.json.sig");
  const whole = await readFile(signature, "utf8");
  await writeFile(signature, whole.replace(/"signature": ".{4}/, '"signature": "AAAA'));
  expect(await copy(6, ...trusting)).toMatchObject([
    { outcome: "failed", failure: { message: expect.stringMatching(/cannot be read there: .* was not made with the key/) } },
  ]);
  expect(await copy(9)).toMatchObject([{ outcome: "failed", failure: { code: "SIGNATURE_REQUIRED" } }]);
  const mine = ["--recipient", other, "--identity-file", at("own.txt"), "--sign-key-file", at("stranger.pem")];
  for (const outcome of ["copied", "present"]) expect(await copyTo("copied-anew", 0, ...trusting, ...mine)).toMatchObject([{ backup: originalId, outcome }]);
  await rm(signature);
  expect(await copy(9)).toMatchObject([{ outcome: "failed", failure: { code: "SIGNATURE_REQUIRED" } }]);
  expect(await copy(6, ...trusting)).toMatchObject([{ outcome: "failed", failure: { code: "MANIFEST_UNTRUSTED", hint: expect.stringMatching(/--unsigned/) } }]);
  expect(await copy(0, "--unsigned")).toMatchObject(present);
  expect(await copy(0, ...trusting, "--unsigned")).toMatchObject(present);
});

function saving(repository: string): string[] {
  return ["save", "--endpoints", cluster.endpoints.join(","), "--repository", repository];
}

async function save(repository: string, ...args: string[]): Promise<string> {
  return JSON.parse((await expectExit(0, [...saving(repository), "-o", "json", ...args])).stdout).manifest.id;
}

async function copied(name: string): Promise<string> {
  await cp(original, at(name), { recursive: true });
  return at(name);
}

async function writeIdentity(name: string): Promise<string> {
  const identity = await generateX25519Identity();
  await writeFile(at(name), `${identity}\n`);
  return identityToRecipient(identity);
}

/** What follows the age header. */
async function payloadOf(repository: string, id: string): Promise<string> {
  const file = await readFile(join(repository, "default", "backups", id, "snapshot.db.zst.age"));
  return file.subarray(file.indexOf("\n--- ") + "\n--- ".length + 44).toString("hex");
}

async function payloadsOf(repository: string): Promise<string[]> {
  const ids = await readdir(join(repository, "default", "backups"));
  return Promise.all(ids.sort().map((id) => payloadOf(repository, id)));
}

/** All that a repository holds, as text. */
async function everything(repository: string): Promise<string> {
  const files = (await readdir(repository, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return (await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), "latin1")))).join("\n");
}
