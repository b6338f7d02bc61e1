// To whom a backup is encrypted, and when it is refused because nobody is named.
import { expect, test } from "vitest";
import { type AskedEncryption, chooseEncryption, requireUsableRecipients } from "../../src/repository/encryption-policy.ts";
import { expectThrown } from "../support/failures.ts";

const HERE = { location: "/backup", isOnThisHost: true };
const BUCKET = { location: "s3://bucket", isOnThisHost: false };
const ASKED: AskedEncryption = { recipients: ["age1asked"] };
const NAMED = { required: true, recipients: ["age1policy"] };

test("encryption policy: what is asked for counts, else the policy's recipients, else nothing on this host", () => {
  for (const policy of [undefined, NAMED]) expect(chooseEncryption(ASKED, policy, BUCKET)).toBe(ASKED);
  expect(chooseEncryption("not-said", NAMED, BUCKET)).toEqual({ recipients: ["age1policy"] });
  expect(chooseEncryption("not-said", { ...NAMED, required: false }, HERE)).toEqual({ recipients: ["age1policy"] });
  expect(chooseEncryption("not-said", undefined, HERE)).toBeUndefined();
  for (const place of [HERE, BUCKET]) expect(chooseEncryption("unencrypted", { ...NAMED, required: false }, place)).toBeUndefined();
});

test("encryption policy: outside this host, somebody has to be named, or it has to be said", async () => {
  const refused = /s3:\/\/bucket is outside this host/;
  for (const policy of [undefined, { required: false, recipients: [] }])
    await expectThrown("ENCRYPTION_REQUIRED", () => chooseEncryption("not-said", policy, BUCKET), refused);
});

test("encryption policy: where it is required, nobody can do without", async () => {
  const hint = async (asked: AskedEncryption, policy: typeof NAMED, place: typeof HERE) =>
    (await expectThrown("ENCRYPTION_REQUIRED", () => chooseEncryption(asked, policy, place), /policy .* requires/)).hint;
  for (const place of [HERE, BUCKET]) {
    expect(await hint("unencrypted", NAMED, place)).toMatch(/^Leave --unencrypted away: the policy names to whom/);
    for (const asked of ["unencrypted", "not-said"] as const) expect(await hint(asked, { required: true, recipients: [] }, place)).toMatch(/^Give --recipient/);
  }
});

test("encryption policy: one that names nobody who can be encrypted to is found out beforehand", async () => {
  const good = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
  await requireUsableRecipients({ required: true, recipients: [good] }, "/backup");
  const bad = { required: true, recipients: [good, "ssh-ed25519 AAAA"] };
  await expectThrown("REPOSITORY_INVALID", () => requireUsableRecipients(bad, "/backup"), /recipient 2 of 2 is a recipient of a kind that is not supported/);
});
